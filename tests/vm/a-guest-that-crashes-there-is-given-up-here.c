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
#include "tests/support/vm-proxy.h"

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
    vm_child_kill(vm_qemu_child(pair->destination), SIGKILL);
    vm_expect_end(receive, 60000, 3,
                  "the guest ended here before all of its memory had arrived");

    vm_child_kill(vm_tool_child(send), SIGTERM);
    vm_expect_says(send, "not stopping");
    g_autoptr(VmTool) too_early = give_up(pair->source);
    vm_expect_end(too_early, 20000, 1, "end it first (kill -9)");
    vm_child_kill(vm_tool_child(send), SIGKILL);
    vm_child_wait(vm_tool_child(send), 10000, NULL);
    g_autoptr(VmTool) gives_up = give_up(pair->source);
    vm_expect_end(gives_up, 20000, 0, "");
    expect_let_go(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-guest-that-crashes/in-postcopy", test_crash);
    return g_test_run();
}
