/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the guest runs afterwards is the operator's choice: one that was
 * paused stays paused, and --paused leaves a running one to somebody else.
 * All of its memory arrives nevertheless. And: --wait waits for SIGUSR1.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"

static void
expect_paused_then_whole(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    vm_expect_state(pair->destination, "paused");
    g_autofree char *said = vm_qemu_serial_text(pair->destination);
    g_assert_cmpstr(said, ==, "");
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);
    uint64_t huge, rss;
    vm_look_huge(pair->destination, &huge, &rss, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(huge, ==, rss);
    g_assert_cmpuint(huge, >=, 16 << 20);
    vm_qemu_command(pair->destination, "cont", NULL, &error);
    g_assert_no_error(error);
    vm_expect_arrived(pair);
}

static void
test_was_paused(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(GError) error = NULL;
    vm_qemu_command(pair->source, "stop", NULL, &error);
    g_assert_no_error(error);
    vm_pair_migrate(pair, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    expect_paused_then_whole(pair);
}

static void
test_paused_on_failure(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(GError) error = NULL;
    vm_qemu_command(pair->source, "stop", NULL, &error);
    g_assert_no_error(error);
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    vm_child_kill(vm_tool_child(receive), SIGKILL);
    vm_expect_end(send, 60000, 1, "the control connection is lost");
    vm_expect_state(pair->source, "paused");
    vm_qemu_command(pair->source, "cont", NULL, &error);
    g_assert_no_error(error);
    vm_expect_at_home(pair);
}

static void
test_receive_paused(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *paused[] = {"--paused", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, paused);
    vm_expect_end(receive, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    expect_paused_then_whole(pair);
}

static void
test_wait(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    vm_expect_beats(pair->source);
    g_assert_false(vm_child_has_ended(vm_tool_child(send), NULL));
    g_autofree char *said = vm_qemu_serial_text(pair->destination);
    g_assert_cmpstr(said, ==, "");
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_arrives(pair, send, receive);
}

/* The receiver redials until somebody listens. */
static void
test_receiver_first(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    g_usleep(500000);
    g_assert_false(vm_child_has_ended(vm_tool_child(receive), NULL));
    g_autoptr(GError) error = NULL;
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    const char *args[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                          "--listen", at, NULL};
    g_autoptr(VmTool) send = vm_tool_start("send", args, true, &error);
    g_assert_no_error(error);
    vm_expect_arrives(pair, send, receive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/a-paused-guest/stays-paused", test_was_paused);
    g_test_add_func("/a-paused-guest/stays-paused-after-a-failure",
                    test_paused_on_failure);
    g_test_add_func("/a-paused-guest/by-receive-paused", test_receive_paused);
    g_test_add_func("/a-paused-guest/send-wait", test_wait);
    g_test_add_func("/a-paused-guest/receiver-first", test_receiver_first);
    return g_test_run();
}
