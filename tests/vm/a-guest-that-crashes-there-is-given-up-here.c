/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's QEMU dies while half of the guest's memory is still at the
 * source. Both helpers say so, end with 3 and leave nothing. With the receiver
 * dead as well the source is not told: the sender holds on to what it has,
 * until 'receive --resume' tells it, or an operator says --give-up, which leaves
 * nothing either, neither beside a sender at work nor from one that is gone.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define SLOWLY "throttle all to-destination 200000"
#define CRASHED "before all of its memory had arrived"
#define END_MS 60000

static VmTool *
run_on(const char *verb, const char *what, VmQemu *qemu)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {what, "--qmp", vm_qemu_tool_socket(qemu), NULL};
    VmTool *tool = vm_tool_start(verb, args, false, &error);
    g_assert_no_error(error);
    return tool;
}

static void
kill_qemu(VmPassage *p)
{
    vm_child_kill(vm_qemu_child(p->pair->destination), SIGKILL);
    g_assert_true(vm_child_wait(vm_qemu_child(p->pair->destination), END_MS,
                                NULL));
}

static void
expect_journal_gone(VmPassage *p)
{
    g_autofree char *journal =
        vm_expect_journal(p->pair->destination, "receive");
    g_assert_null(journal);
}

static void
test_crash(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    kill_qemu(&p);
    vm_expect_end(p.receive, END_MS, 3, "the guest ended here " CRASHED);
    vm_expect_end(p.send, END_MS, 3,
                  "the guest ended on the destination " CRASHED);
    vm_passage_let_go(&p);
    expect_journal_gone(&p);
}

/* The receiver as well. */
static bool
crash_all(VmPassage *p)
{
    if (!vm_passage_start(p, SLOWLY)) {
        return false;
    }
    vm_passage_kill(p->receive);
    kill_qemu(p);
    return true;
}

static void
test_taken_over(void)
{
    g_auto(VmPassage) p = {0};
    if (!crash_all(&p)) {
        return;
    }
    g_autoptr(VmTool) status = vm_tool_start("status", NULL, false, NULL);
    vm_expect_end(status, END_MS, 0, "");
    g_autofree char *said = vm_tool_stdout(status);
    g_assert_nonnull(strstr(said, "this QEMU has ended, and the source does "
                                  "not know"));
    g_autoptr(VmTool) resumed =
        run_on("receive", "--resume", p.pair->destination);
    vm_expect_end(resumed, END_MS, 3, "the guest ended here " CRASHED);
    vm_expect_end(p.send, END_MS, 3, "while no receiver was at work");
    vm_passage_let_go(&p);
    expect_journal_gone(&p);
}

static void
test_given_up(void)
{
    g_auto(VmPassage) p = {0};
    if (!crash_all(&p)) {
        return;
    }
    vm_child_kill(vm_tool_child(p.send), SIGTERM);
    vm_expect_says(p.send, "not stopping");
    g_autoptr(VmTool) too_early = run_on("send", "--give-up", p.pair->source);
    vm_expect_end(too_early, END_MS, 1, "end it first (kill -9)");
    vm_passage_kill(p.send);
    g_autoptr(VmTool) gives_up = run_on("send", "--give-up", p.pair->source);
    vm_expect_end(gives_up, END_MS, 0, "");
    vm_passage_let_go(&p);
    g_autoptr(VmTool) forgets =
        run_on("receive", "--give-up", p.pair->destination);
    vm_expect_end(forgets, END_MS, 0, "");
    expect_journal_gone(&p);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-guest-that-crashes/in-postcopy", test_crash);
    g_test_add_func("/a-guest-that-crashes/taken-over", test_taken_over);
    g_test_add_func("/a-guest-that-crashes/given-up", test_given_up);
    return g_test_run();
}
