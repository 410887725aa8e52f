/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Somebody empties /run/postlude in the middle of postcopy. Nothing is lost to
 * the guest. Both helpers say what it costs, 'status' says that they are there,
 * QEMU is still nobody else's, and a sender that is killed afterwards can be
 * taken over from. In a mount namespace, so that it is nobody else's directory.
 */
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"
#include "tests/support/vm-rundir.h"

static char *
status(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) tool = vm_tool_start("status", NULL, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 0, "");
    return vm_tool_stdout(tool);
}

static void
assert_named(const char *said, VmTool *tool, VmQemu *vm)
{
    g_autofree char *line = g_strdup_printf(
        "pid %d  is at work on QEMU %d and does not answer; LEAVE IT RUNNING",
        (int)vm_child_pid(vm_tool_child(tool)), (int)vm_qemu_pid(vm));
    if (!strstr(said, line)) {
        g_error("expected \"%s\": %s", line, said);
    }
}

static void
test_emptied(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle bulk to-destination 1000000")) {
        return;
    }
    vm_rundir_empty();
    vm_expect_says(p.receive, "crash recovery is off");
    vm_expect_says(p.receive, "the page states in ");
    vm_expect_says(p.send, "QEMU must not be ended");
    g_autofree char *said = status();
    assert_named(said, p.send, p.pair->source);
    assert_named(said, p.receive, p.pair->destination);
    g_assert_null(strstr(said, "NO HELPER AT WORK"));
    const char *second[] = {"--resume", "--qmp",
                            vm_qemu_tool_socket(p.pair->source), NULL};
    vm_expect_refusal("send", second, 1, "locked by 'postlude send'");
    const char *none[] = {"--resume", NULL};
    vm_expect_refusal("receive", none, 1, "there is no interrupted 'receive'");

    g_autoptr(VmTool) heir =
        vm_expect_take_over(p.send, "send", p.pair->source, NULL);
    vm_passage_order(p.proxy, "heal");
    vm_expect_end(p.receive, 60000, 0, "");
    vm_expect_end(heir, 60000, 0, "");
    vm_expect_arrived(p.pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    vm_rundir_make_ours();
    g_test_add_func("/emptied-run-directory/postcopy", test_emptied);
    return g_test_run();
}
