/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sender and the keeper of the guest's memory are killed together. Who
 * takes over gets the memory from the source's QEMU once more, and must start
 * another keeper: QEMU ends, the second sender is killed too, and the third
 * one has nobody else to get it from.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static void
test_replaced(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 1);
    g_autoptr(VmTool) second =
        vm_expect_take_over(p.send, "send", p.pair->source, NULL);
    vm_expect_says(second, "the destination is back");
    vm_child_kill(vm_qemu_child(p.pair->source), SIGKILL);
    vm_child_wait(vm_qemu_child(p.pair->source), 60000, NULL);
    g_autoptr(VmTool) third =
        vm_expect_take_over(second, "send", p.pair->source, NULL);
    vm_expect_says(third, "the destination is back");
    vm_passage_order(p.proxy, "heal");
    vm_expect_end(p.receive, 60000, 0, "");
    vm_expect_end(third, 60000, 0, "");
    vm_pair_wait_scans(p.pair, 2, 300000, &error);
    g_assert_no_error(error);
    g_autofree char *journal = vm_expect_journal(p.pair->source, "send");
    g_assert_null(journal);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-keeper-that-died/is-replaced", test_replaced);
    return g_test_run();
}
