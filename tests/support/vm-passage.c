/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On the way: see vm-passage.h.
 */
#include "tests/support/vm-passage.h"

#include <signal.h>

#include "tests/support/vm-expect.h"

#define MIB 64
#define DEATH_MS 60000

bool
vm_passage_start(VmPassage *passage, const char *order)
{
    g_autoptr(GError) error = NULL;
    *passage = (VmPassage){.pair = vm_expect_pair(MIB)};
    if (!passage->pair) {
        return false;
    }
    passage->proxy = vm_proxy_start_before(passage->pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(passage->proxy, order);
    passage->send = vm_expect_send(passage->pair, NULL);
    passage->receive = vm_pair_receive_from(
        passage->pair, vm_proxy_address(passage->proxy), NULL, &error);
    g_assert_no_error(error);
    vm_expect_says(passage->receive, "stage postcopy");
    vm_expect_says(passage->send, "peer: RUNNING");
    return true;
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
vm_passage_kill(VmTool *tool)
{
    vm_child_kill(vm_tool_child(tool), SIGKILL);
    vm_child_wait(vm_tool_child(tool), DEATH_MS, NULL);
}
