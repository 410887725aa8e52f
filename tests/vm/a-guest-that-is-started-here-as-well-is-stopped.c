/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Somebody says "cont" where the guest is not to run: at the source after it
 * was handed over, and at the destination before. Both helpers say so, and it
 * does not stay running twice.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define SLOW "throttle bulk both 200000"

static void
test_at_the_source(void)
{
    g_auto(VmPassage) passage = {0};
    g_autoptr(GError) error = NULL;
    if (!vm_passage_start(&passage, SLOW)) {
        return;
    }
    vm_qemu_command(passage.pair->source, "cont", NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(passage.send, "it was stopped here again");
    vm_expect_says(passage.receive, "the guest was started on BOTH hosts");
    vm_expect_status(passage.send, "STARTED ON BOTH HOSTS");
    vm_expect_status(passage.receive, "STARTED ON BOTH HOSTS");
    vm_expect_state(passage.pair->source, "paused");
    vm_passage_order(passage.proxy, "heal");
    vm_expect_end(passage.send, 60000, 0, "");
    vm_expect_end(passage.receive, 60000, 0, "");
    vm_expect_state(passage.pair->source, "paused");
}

/* "cont" while a guest is on its way undoes the "stop" that keeps it paused. */
static void
test_at_the_destination(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    vm_expect_says(receive, "QEMU: MIGRATION setup");
    vm_qemu_command(pair->destination, "cont", NULL, NULL);
    int sent, received;
    g_assert_true(vm_tool_wait(send, 60000, &sent, NULL));
    g_assert_true(vm_tool_wait(receive, 60000, &received, NULL));
    g_assert_cmpint(sent, ==, received);
    if (sent == 1) {
        vm_expect_runs(pair->source);
    } else {
        g_assert_cmpint(sent, ==, 0);
        vm_expect_state(pair->source, "postmigrate");
        vm_expect_arrived(pair);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/started-here-as-well/at-the-source", test_at_the_source);
    g_test_add_func("/started-here-as-well/at-the-destination",
                    test_at_the_destination);
    return g_test_run();
}
