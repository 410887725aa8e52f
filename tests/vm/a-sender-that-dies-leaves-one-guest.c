/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The helper on the source is killed at each stage up to the point of no
 * return. Up to the switchover nobody has to do anything. Killed in it, it
 * leaves QEMU's capabilities switched and maybe the guest paused: what an
 * operator has to do by hand then is done here, and is enough.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"

typedef struct {
    const char *word;
    bool wait;
    bool in_switchover;
} Case;

static const Case cases[] = {
    {"stage agree", true, false},
    {"stage prepare", true, false},
    {"send SIGUSR1", true, false},
    {"stage switchover", false, true},
    {"peer: READY", false, true},
    {"QEMU: MIGRATION active", false, true},
    {"QEMU: MIGRATION pre-switchover", false, true},
    {"QEMU: MIGRATION device", false, true},
};

/* docs/failure.md, "the sender is killed": cancel, cont, capability off. */
static void
repair_by_hand(VmQemu *vm)
{
    static const char off[] =
        "{\"capabilities\": [{\"capability\": \"x-ignore-shared\", "
        "\"state\": false}]}";
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, "migrate_cancel", NULL, &error);
    g_assert_no_error(error);
    bool ok = false;
    for (int i = 0; i < 1000 && !ok; i++) {
        g_clear_error(&error);
        ok = vm_qemu_command(vm, "migrate-set-capabilities", off, &error);
        g_usleep(20000); /* a cancelled migration takes a moment to end */
    }
    g_assert_no_error(error);
    vm_qemu_command(vm, "cont", NULL, &error);
    g_assert_no_error(error);
}

/* The guest must not have been started on the destination by anybody. */
static void
assert_not_there(VmPair *pair)
{
    g_autofree char *said = vm_qemu_serial_text(pair->destination);
    g_assert_cmpstr(said, ==, "");
}

static bool
kill_sender(VmPair *pair, const Case *c)
{
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, c->wait ? wait : NULL);
    /* If its QEMU had loaded by then, it looks for the sender for this long. */
    const char *soon[] = {"--peer-timeout", "10", NULL};
    g_autoptr(VmTool) receive = vm_expect_receive(pair, soon);
    /* RUN may be out and not yet heard: then the receiver waits for ever. */
    return vm_expect_kill_at(send, c->word, vm_tool_child(send), SIGKILL) &&
           vm_expect_end_unless(receive, 60000, 1, "postlude receive: ",
                                "peer: RUN");
}

static void
test_sender_dies(gconstpointer data)
{
    const Case *c = data;
    for (int attempt = 0; attempt < 5; attempt++) {
        g_autoptr(VmPair) pair = vm_expect_pair(64);
        if (!pair) {
            return;
        }
        if (!kill_sender(pair, c)) {
            continue;
        }
        assert_not_there(pair);
        g_autoptr(GError) error = NULL;
        if (c->in_switchover) {
            repair_by_hand(pair->source);
            vm_pair_renew_destination(pair, &error);
            g_assert_no_error(error);
        } else {
            vm_expect_waiting(pair);
        }
        vm_expect_at_home(pair);
        vm_expect_moves(pair);
        return;
    }
    g_error("the sender could never be killed in time");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-sender-that-dies/at-%s", cases[i].word);
        g_test_add_data_func(g_strdelimit(path, " :", '-'), &cases[i],
                             test_sender_dies);
    }
    return g_test_run();
}
