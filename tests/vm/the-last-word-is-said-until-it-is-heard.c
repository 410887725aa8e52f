/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All memory has arrived, and the word about it, or the answer, is lost on the
 * way without a trace: both sides find that out and end with 0 soon, and no
 * operator is told to look for a process that has ended.
 */
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

/* The connections live for 10 s without a word, so what is swallowed is the end
 * of the migration. */
static void
test_lost(gconstpointer data)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle bulk to-destination 8000000")) {
        return;
    }
    vm_passage_order(p.proxy, data);
    vm_expect_end(p.receive, 25000, 0, "");
    vm_expect_end(p.send, 25000, 0, "");
    g_autofree char *said = vm_tool_stderr(p.receive);
    g_assert_null(strstr(said, "could not be told"));
    g_assert_nonnull(strstr(said, "peer: BYE"));
    vm_expect_arrived(p.pair);
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
