/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SIGINT and SIGTERM to either helper before the switchover: both end with
 * exit status 1, the report says cancelled, and everything is as before.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"

typedef struct {
    const char *name;
    bool stop_sender;
    int signal;
} Case;

static const Case cases[] = {
    {"sender-SIGINT", true, SIGINT},
    {"sender-SIGTERM", true, SIGTERM},
    {"receiver-SIGINT", false, SIGINT},
    {"receiver-SIGTERM", false, SIGTERM},
};

static void
assert_outcome(VmTool *tool, const char *outcome)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) report = vm_tool_report(tool, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json_object_get_string_member(
                        json_node_get_object(report), "outcome"),
                    ==, outcome);
}

static void
test_while_waiting(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    VmTool *stopped = c->stop_sender ? send : receive;
    VmTool *other = c->stop_sender ? receive : send;
    vm_expect_says(send, "send SIGUSR1");
    vm_child_kill(vm_tool_child(stopped), c->signal);
    vm_expect_end(stopped, 60000, 1, "stopped by a signal");
    vm_expect_end(other, 60000, 1,
                  c->stop_sender ? "the source stopped: "
                                 : "the destination stopped: ");
    assert_outcome(stopped, "cancelled");
    assert_outcome(other, "failed");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

/* Nobody has answered yet. */
static void
test_alone(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) tool = c->stop_sender ? vm_expect_send(pair, NULL)
                                            : vm_expect_receive(pair, NULL);
    vm_expect_says(tool, "stage connect");
    vm_child_kill(vm_tool_child(tool), c->signal);
    vm_expect_end(tool, 60000, 1, "stopped by a signal");
    assert_outcome(tool, "cancelled");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *waiting = g_strdup_printf(
            "/the-operator-may-stop/%s/while-waiting", cases[i].name);
        g_autofree char *alone = g_strdup_printf(
            "/the-operator-may-stop/%s/alone", cases[i].name);
        g_test_add_data_func(waiting, &cases[i], test_while_waiting);
        g_test_add_data_func(alone, &cases[i], test_alone);
    }
    return g_test_run();
}
