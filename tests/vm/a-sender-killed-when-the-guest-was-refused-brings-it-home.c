/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RUN has been said, the destination has answered that it does not start the
 * guest, and the sender is killed before it could start it here. Who takes over
 * has to know of the answer: nobody will give it again.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

/* RUN is slow enough for the destination's QEMU to be ended before it. */
static void
begin(VmPair *pair, VmPassage *p)
{
    g_autoptr(GError) error = NULL;
    p->proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(p->proxy, "delay control to-destination 500");
    p->send = vm_expect_send(pair, NULL);
    p->receive = vm_pair_receive_from(pair, vm_proxy_address(p->proxy), NULL,
                                      &error);
    g_assert_no_error(error);
    vm_expect_says(p->send, "stage switchover");
    vm_passage_order(p->proxy, "delay control to-destination 4000");
    vm_expect_says(p->send, "QEMU: MIGRATION completed");
    vm_expect_says(p->receive, "QEMU: MIGRATION completed");
}

/* Before that the sender asks QEMU once more. */
static void
wait_until_committed(VmQemu *vm)
{
    g_autofree char *path = vm_expect_journal(vm, "send");
    g_assert_nonnull(path);
    for (int i = 0; i < 3000; i++) {
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL) &&
            strstr(text, "\ncommitted=true\n")) {
            return;
        }
        g_usleep(1000);
    }
    g_error("RUN is not in %s", path);
}

static void
test_killed(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(VmPassage) p = {.pair = vm_expect_pair(64)};
    if (!p.pair) {
        return;
    }
    begin(p.pair, &p);
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGKILL);
    wait_until_committed(p.pair->source);
    /* It does not answer, so that its guest is not started yet. */
    vm_child_kill(vm_qemu_child(p.pair->source), SIGSTOP);
    vm_expect_says(p.send, "undo switchover");
    vm_passage_kill(p.send);
    vm_child_kill(vm_qemu_child(p.pair->source), SIGCONT);
    vm_expect_end(p.receive, 60000, 1, "");

    g_autoptr(VmTool) heir = vm_expect_take_over(
        p.send, "send", p.pair->source, NULL);
    vm_expect_end(heir, 60000, 1, "the guest did not start there");
    vm_expect_at_home(p.pair);
    vm_pair_renew_destination(p.pair, &error);
    g_assert_no_error(error);
    vm_expect_moves(p.pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/refused/sender-killed", test_killed);
    return g_test_run();
}
