/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On the way: see vm-passage.h.
 */
#include "tests/support/vm-passage.h"

#include <signal.h>

#include "qmp/qmp-qemu.h"
#include "tests/support/vm-expect.h"

#define MIB 64
#define DEATH_MS 60000

bool
vm_passage_start(VmPassage *passage, const char *order)
{
    return vm_passage_start_with(passage, NULL, order);
}

bool
vm_passage_start_with(VmPassage *passage, const char *const *extra,
                      const char *order)
{
    VmQemuOptions options = vm_expect_options(MIB);
    options.extra = extra;
    *passage = (VmPassage){0};
    if (vm_qemu_skip(vm_qemu_why_not(options.version, options.kvm))) {
        return false;
    }
    vm_passage_begin(passage, vm_expect_pair_of(&options, &options), order);
    return true;
}

void
vm_passage_begin(VmPassage *passage, VmPair *pair, const char *order)
{
    g_autoptr(GError) error = NULL;
    *passage = (VmPassage){.pair = pair};
    passage->proxy = vm_proxy_start_before(passage->pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(passage->proxy, order);
    passage->send = vm_expect_send(passage->pair, NULL);
    passage->receive = vm_pair_receive_from(
        passage->pair, vm_proxy_address(passage->proxy), NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(passage->receive, "stage postcopy");
    vm_expect_says(passage->send, "peer: RUNNING");
}

void
vm_passage_finish(VmPassage *passage, int timeout_ms)
{
    g_assert_false(vm_child_has_ended(vm_tool_child(passage->receive), NULL));
    vm_passage_order(passage->proxy, "heal");
    vm_expect_end(passage->send, timeout_ms, 0, "");
    vm_expect_end(passage->receive, timeout_ms, 0, "");
}

void
vm_passage_clear(VmPassage *passage)
{
    g_clear_pointer(&passage->receive, vm_tool_free);
    g_clear_pointer(&passage->send, vm_tool_free);
    g_clear_pointer(&passage->proxy, vm_proxy_free);
    g_clear_pointer(&passage->pair, vm_pair_free);
}

void
vm_passage_order(VmProxy *proxy, const char *order)
{
    g_autoptr(GError) error = NULL;
    vm_proxy_order(proxy, order, NULL, &error);
    g_assert_no_error(error);
}

void
vm_passage_press(VmQemu *vm, char key)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *arguments = g_strdup_printf(
        "{\"keys\": [{\"type\": \"qcode\", \"data\": \"%c\"}]}", key);
    vm_qemu_command(vm, "send-key", arguments, &error);
    g_assert_no_error(error);
}

void
vm_passage_let_go(VmPassage *passage)
{
    g_autofree char *journal =
        vm_expect_journal(passage->pair->source, "send");
    g_assert_null(journal);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 0);
    g_autoptr(GError) error = NULL;
    g_autofree char *state =
        qmp_qemu_run_state(vm_qemu_monitor(passage->pair->source), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(state, ==, "postmigrate");
}

void
vm_passage_kill(VmTool *tool)
{
    vm_child_kill(vm_tool_child(tool), SIGKILL);
    vm_child_wait(vm_tool_child(tool), DEATH_MS, NULL);
}
