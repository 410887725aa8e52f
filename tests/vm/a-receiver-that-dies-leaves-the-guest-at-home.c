/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The helper on the destination is killed at each stage up to the point of no
 * return. The guest goes on at the source, and can be moved afterwards: to the
 * same QEMU if that had not begun to load, to a fresh one otherwise.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"

typedef struct {
    const char *word;   /* what it says right before it dies */
    bool wait;          /* send --wait: nothing goes on until then */
    bool left_armed;    /* a userfaultfd stays behind in QEMU */
    bool same_qemu;     /* can take the guest at the second attempt */
    const char *sender; /* what the sender says in the end */
} Case;

static const Case cases[] = {
    {"stage agree", true, false, true, "the control connection is lost"},
    {"stage prepare", true, false, true, "the control connection is lost"},
    {"stage wait", true, true, true, "the control connection is lost"},
    {"peer: SWITCHOVER", false, false, false, "postlude send: switchover: "},
    {"QEMU: MIGRATION setup", false, false, false,
     "postlude send: switchover: "},
    {"QEMU: MIGRATION active", false, false, false,
     "postlude send: switchover: "},
    {"peer: STOPPED", false, false, false, "postlude send: switchover: "},
};

static bool
kill_receiver(VmPair *pair, const Case *c)
{
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, c->wait ? wait : NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    /* RUN may be out and not yet heard: then the sender waits for ever. */
    if (!vm_expect_kill_at(receive, c->word, vm_tool_child(receive), SIGKILL) ||
        !vm_expect_end_unless(send, 60000, 1, c->sender,
                              "waits until the destination reconnects")) {
        return false;
    }
    if (c->left_armed) {
        g_assert_cmpint(vm_look_userfaultfds(pair->destination), ==, 1);
    }
    return true;
}

static void
move_again(VmPair *pair, const Case *c)
{
    g_autoptr(GError) error = NULL;
    if (!c->same_qemu) {
        vm_pair_renew_destination(pair, &error);
        g_assert_no_error(error);
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    if (c->left_armed) {
        vm_expect_says(receive, "that an earlier helper left in QEMU");
    }
    vm_expect_arrives(pair, send, receive);
}

static void
test_receiver_dies(gconstpointer data)
{
    const Case *c = data;
    for (int attempt = 0; attempt < 5; attempt++) {
        g_autoptr(VmPair) pair = vm_expect_pair(64);
        if (!pair) {
            return;
        }
        if (kill_receiver(pair, c)) {
            vm_expect_at_home(pair);
            move_again(pair, c);
            return;
        }
    }
    g_error("the receiver could never be killed in time");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-receiver-that-dies/at-%s", cases[i].word);
        g_test_add_data_func(g_strdelimit(path, " :", '-'), &cases[i],
                             test_receiver_dies);
    }
    return g_test_run();
}
