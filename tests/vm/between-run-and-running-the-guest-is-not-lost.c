/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source has said RUN and does not know yet whether the guest runs: for as
 * long as a word takes, nobody may start it on a guess. Connections are cut
 * and helpers killed right then; the guest arrives once all are back, and ran
 * in one place only.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

typedef struct {
    const char *name;
    /* The word that is under way, by whom it is waited for, since when. */
    const char *slow;
    bool sender_says;
    const char *word;
    const char *order; /* to the proxy, or NULL */
    bool kill_sender, kill_receiver;
} Case;

static const char slow_run[] = "delay control to-destination 400";
static const char slow_running[] = "delay control to-source 400";

static const Case cases[] = {
    {"cut-with-run", slow_run, true, "QEMU: MIGRATION completed",
     "cut rst all", false, false},
    {"cut-with-running", slow_running, false, "peer: RUN", "cut rst all",
     false, false},
    {"swallow-with-run", slow_run, true, "QEMU: MIGRATION completed",
     "swallow all both", false, false},
    {"kill-receiver-with-run", slow_run, true, "QEMU: MIGRATION completed",
     NULL, false, true},
    {"kill-receiver-with-running", slow_running, false, "peer: RUN", NULL,
     false, true},
    {"kill-sender-with-run", slow_run, true, "QEMU: MIGRATION completed",
     NULL, true, false},
    {"kill-sender-with-running", slow_running, false, "peer: RUN", NULL, true,
     false},
    {"kill-both-with-run", slow_run, true, "QEMU: MIGRATION completed", NULL,
     true, true},
    {"kill-both-with-running", slow_running, false, "peer: RUN", NULL, true,
     true},
};

static VmTool *
take_over(const char *verb, VmQemu *vm, VmTool *dead)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--resume", "--qmp", vm_qemu_tool_socket(vm),
                          "--link-timeout", "2", NULL};
    int status = 0;
    vm_child_kill(vm_tool_child(dead), SIGKILL);
    vm_child_wait(vm_tool_child(dead), 60000, &status);
    g_assert_true(WIFSIGNALED(status));
    g_usleep(200000);
    VmTool *tool = vm_tool_start(verb, args, true, &error);
    g_assert_no_error(error);
    vm_tool_free(dead);
    return tool;
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    static const char *const extra[] = {"--link-timeout", "2", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmProxy) proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(proxy, c->slow);
    /* Nobody has all of the memory before he is killed. */
    vm_passage_order(proxy, "throttle bulk to-destination 1000000");
    vm_passage_order(proxy, "throttle urgent to-destination 1000000");
    VmTool *send = vm_expect_send(pair, extra);
    VmTool *receive = vm_pair_receive_from(pair, vm_proxy_address(proxy),
                                           extra, &error);
    g_assert_no_error(error);
    vm_expect_says(c->sender_says ? send : receive, c->word);
    /* RUN follows "completed" at once. */
    g_usleep(100000);
    if (c->order) {
        vm_passage_order(proxy, c->order);
    }
    if (c->kill_receiver) {
        receive = take_over("receive", pair->destination, receive);
    }
    if (c->kill_sender) {
        send = take_over("send", pair->source, send);
    }
    vm_passage_order(proxy, "heal");
    vm_expect_end(receive, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    vm_expect_arrived(pair);
    vm_tool_free(send);
    vm_tool_free(receive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/between-run-and-running/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
