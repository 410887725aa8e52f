/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest has ended on the destination, and its source is not to be reached:
 * the word, or the answer, is swallowed; the sender was killed and is taken over
 * from; or nobody answers. The receiver dials and says it again, and gives up
 * without a guest to lose, but not without saying what is left behind.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define SLOWLY "throttle all to-destination 200000"
#define END_MS 60000

static void
quit(VmPassage *p)
{
    vm_qemu_command(p->pair->destination, "quit", NULL, NULL);
}

static void
expect_ended(VmTool *tool)
{
    vm_expect_end(tool, END_MS, 0, "");
    g_autofree char *said = vm_tool_stdout(tool);
    g_assert_nonnull(strstr(said, ": ended: the guest was ended"));
}

static void
test_swallowed(gconstpointer order)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_passage_order(p.proxy, order);
    quit(&p);
    expect_ended(p.receive);
    expect_ended(p.send);
    vm_passage_let_go(&p);
}

/* A QEMU that is told to quit waits for its vCPUs, and these for a page: it may
 * end before the source is back or after. */
static void
test_taken_over(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_passage_kill(p.send);
    quit(&p);
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--resume", "--qmp",
                          vm_qemu_tool_socket(p.pair->source), NULL};
    g_autoptr(VmTool) resumed = vm_tool_start("send", args, false, &error);
    g_assert_no_error(error);
    expect_ended(p.receive);
    expect_ended(resumed);
    vm_passage_let_go(&p);
}

static void
test_nobody(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, SLOWLY)) {
        return;
    }
    vm_passage_order(p.proxy, "refuse 600000");
    vm_passage_order(p.proxy, "cut rst all");
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGKILL);
    vm_expect_says(p.receive, "a signal ends that");
    vm_expect_status(p.receive, "THE GUEST HAS ENDED (crashed)");
    vm_child_kill(vm_tool_child(p.receive), SIGTERM);
    vm_expect_end(p.receive, END_MS, 3, "could not be told");
    g_assert_false(vm_child_has_ended(vm_tool_child(p.send), NULL));
    vm_expect_status(p.send, "still needed by");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/the-end/word-is-swallowed",
                         "swallow control to-source", test_swallowed);
    g_test_add_data_func("/the-end/answer-is-swallowed",
                         "swallow control to-destination", test_swallowed);
    g_test_add_func("/the-end/sender-is-taken-over-from", test_taken_over);
    g_test_add_func("/the-end/nobody-answers", test_nobody);
    return g_test_run();
}
