/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's own migration and ours on one guest: what is not ours is neither
 * cancelled nor undone, and a guest that left by it is not started here again.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"

/* A third QEMU, to which the guest of PAIR can go by QEMU's own migration. */
static VmPair
elsewhere(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = *vm_qemu_options(pair->destination);
    VmPair native = {.source = pair->source};
    native.destination = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    g_assert_true(vm_pair_find_port(&native.port, &error));
    return native;
}

/* The guest runs there and only there. */
static void
expect_moved(VmPair *native)
{
    vm_native_wait(native->source, "completed", 60000);
    vm_expect_state(native->destination, "running");
    vm_expect_state(native->source, "postmigrate");
}

static void
test_while_armed(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    VmPair native = elsewhere(pair);
    vm_native_start(&native, VM_NATIVE_MIB_PER_S(1000));
    expect_moved(&native);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_end(send, 60000, 1, "the guest is 'postmigrate'");
    vm_expect_end(receive, 60000, 1, "the source stopped: ");
    expect_moved(&native);
    vm_expect_beats(native.destination);
    vm_expect_waiting(pair);
    vm_qemu_free(native.destination);
}

static void
test_under_way(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    VmPair native = elsewhere(pair);
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) early = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(early, "send SIGUSR1");
    vm_native_start(&native, VM_NATIVE_MIB_PER_S(1));
    vm_native_wait(native.source, "active", 10000);
    vm_child_kill(vm_tool_child(early), SIGUSR1);
    vm_expect_end(early, 60000, 1, "in the middle of another migration");
    vm_expect_end(receive, 60000, 1, "the source stopped: ");
    const char *args[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                          "--listen", "127.0.0.1:9", NULL};
    vm_expect_refusal("send", args, 1, "in the middle of another migration");
    g_autofree char *status = vm_native_status(native.source);
    g_assert_cmpstr(status, ==, "active");
    vm_native_switch(&native);
    vm_qemu_command(native.source, "migrate-set-parameters",
                    "{\"max-postcopy-bandwidth\": 1000000000}", NULL);
    expect_moved(&native);
    vm_expect_beats(native.destination);
    vm_qemu_free(native.destination);
}

/* Killed in the switchover, mended by hand as docs/failure.md says, and moved
 * by QEMU's own migration: nothing is left to be taken back. */
static void
test_mended_by_hand(void)
{
    static const char off[] =
        "{\"capabilities\": ["
        "{\"capability\": \"x-ignore-shared\", \"state\": false},"
        "{\"capability\": \"pause-before-switchover\", \"state\": false},"
        "{\"capability\": \"return-path\", \"state\": false}]}";
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    if (!vm_expect_kill_at(send, "QEMU: MIGRATION pre-switchover",
                           vm_tool_child(send), SIGKILL)) {
        g_test_message("came too late: this run says nothing");
        return;
    }
    vm_expect_end(receive, 60000, 1, "");
    vm_qemu_command(pair->source, "migrate_cancel", NULL, NULL);
    vm_expect_state(pair->source, "running");
    vm_qemu_command(pair->source, "migrate-set-capabilities", off, &error);
    g_assert_no_error(error);
    VmPair native = elsewhere(pair);
    vm_native_start(&native, VM_NATIVE_MIB_PER_S(1000));
    expect_moved(&native);
    const char *resume[] = {"--resume", "--qmp",
                            vm_qemu_tool_socket(pair->source), NULL};
    vm_expect_refusal("send", resume, 1, "the guest is 'postmigrate'");
    expect_moved(&native);
    vm_expect_beats(native.destination);
    vm_qemu_free(native.destination);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/moved-another-way/while-armed", test_while_armed);
    g_test_add_func("/moved-another-way/under-way", test_under_way);
    g_test_add_func("/moved-another-way/mended-by-hand", test_mended_by_hand);
    return g_test_run();
}
