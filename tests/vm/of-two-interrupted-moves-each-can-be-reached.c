/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two moves from this host to itself, all four helpers killed. Without a word
 * more --resume and --give-up refuse, and say how to name each; by QEMU's
 * process one move is taken to its end and the other one given up.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"
#include "tests/support/vm-rundir.h"

#define SLOW "throttle bulk to-destination 500000"

typedef struct {
    const char *verb, *what;
    char *pid;
} Word;

static Word
word_for(VmQemu *vm, const char *verb, const char *what)
{
    return (Word){verb, what,
                  g_strdup_printf("%d", (int)vm_qemu_pid(vm))};
}

/* Whatever the others are: this one can be reached so. */
static void
expect_listed(const Word *w)
{
    g_autofree char *command = g_strdup_printf(
        "postlude %s %s --pid %s", w->verb, w->what, w->pid);
    const char *args[] = {w->what, NULL};
    vm_expect_refusal(w->verb, args, 1, "say which by --pid N");
    vm_expect_refusal(w->verb, args, 1, command);
}

static VmTool *
run(const Word *w)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {w->what, "--pid", w->pid, NULL};
    VmTool *tool = vm_tool_start(w->verb, args, false, &error);
    g_assert_no_error(error);
    return tool;
}

static void
expect_status(const Word *w)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) tool = vm_tool_start("status", NULL, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 0, "");
    g_autofree char *said = vm_tool_stdout(tool);
    g_autofree char *text = g_strdup_printf(
        "NO HELPER AT WORK: run 'postlude %s --resume --pid %s'", w->verb,
        w->pid);
    g_assert_nonnull(strstr(said, text));
}

static void
expect_both(VmPassage *p, const char *what)
{
    Word send = word_for(p->pair->source, "send", what);
    Word receive = word_for(p->pair->destination, "receive", what);
    expect_listed(&send);
    expect_listed(&receive);
    expect_status(&send);
    expect_status(&receive);
    g_free(send.pid);
    g_free(receive.pid);
}

static void
go_on(VmPassage *p)
{
    Word send = word_for(p->pair->source, "send", "--resume");
    Word receive = word_for(p->pair->destination, "receive", "--resume");
    g_autoptr(VmTool) sender = run(&send);
    g_autoptr(VmTool) receiver = run(&receive);
    vm_passage_order(p->proxy, "heal");
    vm_expect_end(receiver, 60000, 0, "");
    vm_expect_end(sender, 60000, 0, "");
    vm_expect_arrived(p->pair);
    g_free(send.pid);
    g_free(receive.pid);
}

static void
give_up(VmPassage *p)
{
    Word send = word_for(p->pair->source, "send", "--give-up");
    Word receive = word_for(p->pair->destination, "receive", "--give-up");
    g_autoptr(VmTool) receiver = run(&receive);
    vm_expect_end(receiver, 60000, 0, "");
    g_autoptr(VmTool) sender = run(&send);
    vm_expect_end(sender, 60000, 0, "");
    g_assert_true(vm_child_wait(vm_qemu_child(p->pair->destination), 60000,
                                NULL));
    g_free(send.pid);
    g_free(receive.pid);
}

static void
test_two(void)
{
    g_auto(VmPassage) one = {0};
    g_auto(VmPassage) two = {0};
    if (!vm_passage_start(&one, SLOW) || !vm_passage_start(&two, SLOW)) {
        return;
    }
    vm_passage_kill(one.send);
    vm_passage_kill(one.receive);
    vm_passage_kill(two.send);
    vm_passage_kill(two.receive);
    expect_both(&one, "--resume");
    expect_both(&two, "--resume");
    expect_both(&two, "--give-up");
    give_up(&two);
    const char *none[] = {"--resume", "--pid", "1", NULL};
    vm_expect_refusal("send", none, 1, "that --qmp or --pid names");
    go_on(&one);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    vm_rundir_make_ours();
    g_test_add_func("/two-interrupted/both", test_two);
    return g_test_run();
}
