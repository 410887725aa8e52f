/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The receiver is killed after it has said "cont" and before it could record
 * that the guest runs here. Who takes over must not believe the record that is
 * left: the source is out of reach, a signal says stop, and to take the switch
 * over back would empty the memory of a running guest. Once the source is back
 * the guest gets the rest.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-proxy.h"

static void
give(VmProxy *proxy, const char *order)
{
    g_autoptr(GError) error = NULL;
    vm_proxy_order(proxy, order, NULL, &error);
    g_assert_no_error(error);
}

/* To meet the moment itself is luck; the record of that moment is the one that
 * is left with one word changed. */
static void
forget_commit(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = vm_expect_journal(vm, "receive");
    g_autofree char *text = NULL;
    g_assert_nonnull(path);
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "\nstarting=true\n"));
    g_auto(GStrv) parts = g_strsplit(text, "\ncommitted=true\n", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    g_autofree char *before = g_strjoinv("\ncommitted=false\n", parts);
    g_file_set_contents_full(path, before, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                             0600, &error);
    g_assert_no_error(error);
}

static VmTool *
resume(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--resume",       "--qmp", vm_qemu_tool_socket(vm),
                          "--peer-timeout", "1",     NULL};
    VmTool *tool = vm_tool_start("receive", args, true, &error);
    g_assert_no_error(error);
    return tool;
}

static void
test_killed(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmProxy) proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    give(proxy, "throttle all to-destination 200000");
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) first = vm_pair_receive_from(
        pair, vm_proxy_address(proxy), NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(first, "stage postcopy");
    vm_expect_says(send, "peer: RUNNING");
    give(proxy, "refuse 600000");
    give(proxy, "cut rst all");
    vm_child_kill(vm_tool_child(first), SIGKILL);
    vm_child_wait(vm_tool_child(first), 10000, NULL);
    forget_commit(pair->destination);

    g_autoptr(VmTool) second = resume(pair->destination);
    vm_expect_says(second, "dialling the source");
    vm_child_kill(vm_tool_child(second), SIGTERM);
    vm_expect_says(second, "not stopping");
    give(proxy, "heal");
    vm_expect_end(second, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    vm_expect_arrived(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/killed-at-the-start/taken-over", test_killed);
    return g_test_run();
}
