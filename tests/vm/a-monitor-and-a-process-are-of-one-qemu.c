/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --pid that names another QEMU than the monitor is refused before anything of
 * either is touched; the right one is taken.
 */
#include "tests/support/vm-expect.h"

static void
expect_refused(const char *verb, const VmQemu *monitor, const VmQemu *process)
{
    g_autofree char *pid =
        g_strdup_printf("%d", (int)vm_qemu_pid(process));
    const char *args[] = {"--qmp", vm_qemu_tool_socket(monitor), "--pid", pid,
                          verb[0] == 's' ? "--listen" : "--connect",
                          "127.0.0.1:9", "--peer-timeout", "1", NULL};
    vm_expect_refusal(verb, args, 1, "is not the QEMU of this monitor");
}

static void
test_two(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    expect_refused("receive", pair->destination, pair->source);
    expect_refused("send", pair->source, pair->destination);
    vm_expect_at_home(pair);
    g_autofree char *pid =
        g_strdup_printf("%d", (int)vm_qemu_pid(pair->source));
    const char *right[] = {"--pid", pid, NULL};
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    g_autoptr(VmTool) send = vm_expect_send(pair, right);
    vm_expect_arrives(pair, send, receive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/one-qemu/two", test_two);
    return g_test_run();
}
