/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A second command for a QEMU that another one works on, or worked on when it
 * was killed, is refused and says who has the guest; the first goes on as if
 * nothing had been.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/proc-life.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define SLOW "throttle bulk both 200000"

/* "postlude VERB" for VM, to or from an address where nobody is. */
static void
expect_refused(const char *verb, const VmQemu *vm, const char *text)
{
    bool send = strcmp(verb, "send") == 0;
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm),
                          send ? "--listen" : "--connect", "127.0.0.1:9",
                          "--peer-timeout", "1", NULL};
    vm_expect_refusal(verb, args, 1, text);
}

static char *
held_by(const char *verb, VmTool *tool)
{
    return g_strdup_printf("locked by 'postlude %s' (process %d)", verb,
                           (int)vm_child_pid(vm_tool_child(tool)));
}

static void
test_at_work(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autofree char *sender = held_by("send", send);
    expect_refused("send", pair->source, sender);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    g_autofree char *receiver = held_by("receive", receive);
    expect_refused("receive", pair->destination, receiver);
    expect_refused("send", pair->source, sender);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_arrives(pair, send, receive);
}

/* Both at the same moment: one of them, whichever, moves the guest. */
static void
test_together(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    g_autoptr(GError) error = NULL;
    if (!pair) {
        return;
    }
    VmTool *both[2];
    for (unsigned i = 0; i < 2; i++) {
        unsigned port;
        g_assert_true(vm_pair_find_port(&port, &error));
        g_autofree char *at = g_strdup_printf("127.0.0.1:%u", port + i);
        const char *args[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                              "--listen", at, "--peer-timeout", "2", NULL};
        both[i] = vm_tool_start("send", args, false, &error);
        g_assert_no_error(error);
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < 2; i++) {
        int code;
        g_assert_true(vm_tool_wait(both[i], 60000, &code, &error));
        g_assert_cmpint(code, ==, 1);
        g_autofree char *text = vm_tool_stderr(both[i]);
        refused += strstr(text, "locked by") != NULL;
        vm_tool_free(both[i]);
    }
    g_assert_cmpuint(refused, ==, 1);
    vm_expect_at_home(pair);
}

/* Moves VM's file with ENDING in the run-time directory out of the way, or
 * back. */
static void
hide(VmQemu *vm, const char *ending, const char *from, const char *to)
{
    g_autoptr(GError) error = NULL;
    uint64_t started;
    g_assert_true(proc_life_started(vm_qemu_pid(vm), &started, &error));
    g_autofree char *stem =
        g_strdup_printf("/run/postlude/receive-%d-%" G_GUINT64_FORMAT "%s",
                        (int)vm_qemu_pid(vm), started, ending);
    g_autofree char *old = g_strconcat(stem, from, NULL);
    g_autofree char *new = g_strconcat(stem, to, NULL);
    g_assert_no_errno(rename(old, new));
}

/* Half of its memory is at the source yet, and nobody brings it. Without its
 * journal the memory itself tells. */
static void
test_half_arrived(void)
{
    g_auto(VmPassage) passage = {0};
    if (!vm_passage_start(&passage, SLOW)) {
        return;
    }
    VmQemu *half = passage.pair->destination;
    vm_passage_kill(passage.receive);
    expect_refused("send", half, "run 'postlude receive --resume' first");
    expect_refused("receive", half, "run 'postlude receive --resume' first");
    hide(half, ".journal", "", ".away");
    hide(half, ".pages", "", ".away");
    expect_refused("send", half, "is registered with a userfaultfd");
    hide(half, ".pages", ".away", "");
    hide(half, ".journal", ".away", "");
    vm_passage_order(passage.proxy, "heal");
    const char *resume[] = {"--resume", "--qmp", vm_qemu_tool_socket(half),
                            NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) again = vm_tool_start("receive", resume, false, &error);
    g_assert_no_error(error);
    vm_expect_arrives(passage.pair, passage.send, again);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/two-commands/at-work", test_at_work);
    g_test_add_func("/two-commands/together", test_together);
    g_test_add_func("/two-commands/half-arrived", test_half_arrived);
    return g_test_run();
}
