/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sender, source QEMU and keeper are gone together, as with their host, while
 * half of the guest's memory was only there. Nobody can bring it back, and
 * nobody may invent it: the guest waits where it needs it, status says so, and
 * only an operator ends it.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-proxy.h"

static uint64_t
lines_of(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    if (log->wrong->len > 0) {
        g_error("%s", (const char *)g_ptr_array_index(log->wrong, 0));
    }
    const WitnessBeat *last = witness_log_last(log);
    return last ? last->line : 0;
}

/* It touches all of its memory over and over, so it stops soon, and for good. */
static void
assert_waits(VmQemu *vm)
{
    uint64_t before = lines_of(vm), now;
    for (int quiet = 0; quiet < 20; quiet++) {
        g_usleep(200000);
        now = lines_of(vm);
        quiet = now == before ? quiet : 0;
        before = now;
    }
}

/* Much of the memory has not arrived. */
static void
lose_source(VmPair *pair, VmProxy *proxy, VmTool *send)
{
    g_autoptr(GError) error = NULL;
    vm_child_kill(vm_tool_child(send), SIGKILL);
    vm_child_wait(vm_tool_child(send), 60000, NULL);
    vm_child_kill(vm_qemu_child(pair->source), SIGKILL);
    vm_child_wait(vm_qemu_child(pair->source), 60000, NULL);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 1);
    vm_proxy_order(proxy, "cut rst all", NULL, &error);
    g_assert_no_error(error);
}

static void
test_gone(gconstpointer kill_receiver)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmProxy) proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    vm_proxy_order(proxy, "throttle all to-destination 200000", NULL, &error);
    g_assert_no_error(error);
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_pair_receive_from(
        pair, vm_proxy_address(proxy), NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(receive, "stage postcopy");
    vm_expect_says(send, "peer: RUNNING");
    lose_source(pair, proxy, send);
    assert_waits(pair->destination);
    g_assert_false(vm_child_has_ended(vm_tool_child(receive), NULL));
    vm_expect_status(receive, "CONNECTION LOST");
    if (kill_receiver) {
        vm_child_kill(vm_tool_child(receive), SIGKILL);
        vm_child_wait(vm_tool_child(receive), 60000, NULL);
        assert_waits(pair->destination);
    }
    const char *args[] = {"--give-up", "--qmp",
                          vm_qemu_tool_socket(pair->destination), NULL};
    g_autoptr(VmTool) give_up = vm_tool_start("receive", args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(give_up, 60000, 0, "");
    g_assert_true(vm_child_wait(vm_qemu_child(pair->destination), 60000,
                                NULL));
    if (!kill_receiver) {
        vm_expect_end(receive, 60000, 3, "");
    }
    g_autofree char *journal = vm_expect_journal(pair->destination, "receive");
    g_assert_null(journal);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/a-source-that-is-gone/receiver-at-work", NULL,
                         test_gone);
    g_test_add_data_func("/a-source-that-is-gone/receiver-killed", "",
                         test_gone);
    return g_test_run();
}
