/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's QEMU dies while half of the guest's memory is still at the
 * source. The receiver says so; the sender holds on to what it has, because
 * only an operator knows that nobody wants it any more: --give-up lets it go,
 * and leaves nothing, neither beside a sender at work nor from one that is
 * gone.
 */
#include <signal.h>
#include <string.h>

#include "qmp/qmp-qemu.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static VmTool *
give_up(VmQemu *source)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--give-up", "--qmp", vm_qemu_tool_socket(source),
                          NULL};
    VmTool *tool = vm_tool_start("send", args, false, &error);
    g_assert_no_error(error);
    return tool;
}

static void
expect_let_go(VmPair *pair)
{
    g_autofree char *journal = vm_expect_journal(pair->source, "send");
    g_assert_null(journal);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 0);
    g_autoptr(GError) error = NULL;
    g_autofree char *state =
        qmp_qemu_run_state(vm_qemu_monitor(pair->source), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(state, ==, "postmigrate");
}

static void
test_crash(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGKILL);
    vm_expect_end(p.receive, 60000, 3,
                  "the guest ended here before all of its memory had arrived");

    vm_child_kill(vm_tool_child(p.send), SIGTERM);
    vm_expect_says(p.send, "not stopping");
    g_autoptr(VmTool) too_early = give_up(p.pair->source);
    vm_expect_end(too_early, 60000, 1, "end it first (kill -9)");
    vm_passage_kill(p.send);
    g_autoptr(VmTool) gives_up = give_up(p.pair->source);
    vm_expect_end(gives_up, 60000, 0, "");
    expect_let_go(p.pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-guest-that-crashes/in-postcopy", test_crash);
    return g_test_run();
}
