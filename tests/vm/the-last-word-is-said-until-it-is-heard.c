/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All memory has arrived, and the word about it, or the answer, is lost on the
 * way without a trace: both sides find that out and end with 0 soon, and no
 * operator is told to look for a process that has ended.
 */
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-proxy.h"

static void
order(VmProxy *proxy, const char *text)
{
    g_autoptr(GError) error = NULL;
    vm_proxy_order(proxy, text, NULL, &error);
    g_assert_no_error(error);
}

/* The connections live for 10 s without a word, so what is swallowed is the end
 * of the migration. */
static void
test_lost(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmProxy) proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    order(proxy, "throttle bulk to-destination 8000000");
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_pair_receive_from(
        pair, vm_proxy_address(proxy), NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(send, "peer: RUNNING");
    order(proxy, data);
    vm_expect_end(receive, 25000, 0, "");
    vm_expect_end(send, 25000, 0, "");
    g_autofree char *said = vm_tool_stderr(receive);
    g_assert_null(strstr(said, "could not be told"));
    g_assert_nonnull(strstr(said, "peer: BYE"));
    vm_expect_arrived(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/the-last-word/of-the-destination",
                         "swallow control to-source", test_lost);
    g_test_add_data_func("/the-last-word/of-the-source",
                         "swallow control to-destination", test_lost);
    return g_test_run();
}
