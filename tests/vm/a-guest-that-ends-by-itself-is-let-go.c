/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest ends on the destination, in the middle of postcopy, without any
 * failure: it powers off, is reset under -no-reboot, or its QEMU is told to
 * quit or gets a SIGTERM. Nobody needs the rest of its memory: both sides end
 * with 0, say what happened, and leave nothing.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define SLOWLY "throttle all to-destination 200000"
#define END_MS 60000

static const char *const no_reboot[] = {"-no-reboot", NULL};

static const char *
text_of(JsonNode *report, const char *name)
{
    return json_object_get_string_member_with_default(
        json_node_get_object(report), name, "");
}

static void
expect_ended(VmTool *tool, const char *code, const char *words)
{
    g_autoptr(GError) error = NULL;
    vm_expect_end(tool, END_MS, 0, "");
    g_autofree char *said = vm_tool_stdout(tool);
    g_assert_nonnull(strstr(said, ": ended: "));
    g_assert_nonnull(strstr(said, words));
    g_assert_null(strstr(said, "completed"));
    g_autoptr(JsonNode) report = vm_tool_report(tool, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text_of(report, "outcome"), ==, "ended");
    g_assert_cmpstr(text_of(report, "ended"), ==, code);
    g_assert_nonnull(strstr(text_of(report, "reason"), words));
}

static void
expect_both(VmPassage *p, const char *code, const char *there,
            const char *here)
{
    expect_ended(p->receive, code, there);
    expect_ended(p->send, code, here);
    vm_expect_said(p->send, "leave it running", 0);
    vm_expect_said(p->receive, "needs this process", 0);
    vm_passage_let_go(p);
    g_autofree char *journal =
        vm_expect_journal(p->pair->destination, "receive");
    g_assert_null(journal);
}

static void
powers_off(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_passage_press(p.pair->destination, 'p');
    expect_both(&p, "shut down", "the guest has shut down here: it powered off",
                "the guest has shut down on the destination: it powered off");
}

static void
is_reset(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start_with(&p, no_reboot, SLOWLY)) {
        return;
    }
    vm_passage_press(p.pair->destination, 'r');
    expect_both(&p, "shut down", "the guest has shut down here: it was reset",
                "the guest has shut down on the destination: it was reset");
}

static void
is_told_to_quit(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_qemu_command(p.pair->destination, "quit", NULL, NULL);
    expect_both(&p, "stopped", "the guest was ended here: its QEMU was told",
                "the guest was ended on the destination: its QEMU was told");
}

static void
is_terminated(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGTERM);
    expect_both(&p, "stopped", "its QEMU was ended by a signal",
                "its QEMU was ended by a signal");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-guest-that-ends/powers-off", powers_off);
    g_test_add_func("/a-guest-that-ends/is-reset", is_reset);
    g_test_add_func("/a-guest-that-ends/is-told-to-quit", is_told_to_quit);
    g_test_add_func("/a-guest-that-ends/is-terminated", is_terminated);
    return g_test_run();
}
