/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Either QEMU is killed at each stage up to the point of no return. Both
 * helpers end by themselves and say so; if it was the destination's, the guest
 * goes on at the source and can be moved to another.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"

typedef struct {
    const char *word; /* of the helper whose QEMU is killed */
    bool wait;
} Case;

static const Case destination_cases[] = {
    {"stage agree", true},           {"stage prepare", true},
    {"stage wait", true},      {"peer: SWITCHOVER", false},
    {"QEMU: MIGRATION setup", false}, {"QEMU: MIGRATION active", false},
    {"peer: STOPPED", false},
};

static const Case source_cases[] = {
    {"stage connect", true},
    {"send SIGUSR1", true},
    {"QEMU: MIGRATION setup", false},
    {"QEMU: MIGRATION pre-switchover", false},
};

static bool
kill_destination(VmPair *pair, const Case *c)
{
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, c->wait ? wait : NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    if (!vm_expect_kill_at(receive, c->word, vm_qemu_child(pair->destination),
                           SIGKILL)) {
        return false;
    }
    vm_expect_end(receive, 60000, 1, "postlude receive: ");
    g_autofree char *said = vm_tool_stderr(receive);
    g_assert_nonnull(strstr(said, "QEMU"));
    vm_expect_end(send, 60000, 1, "postlude send: ");
    return true;
}

static void
test_destination_dies(gconstpointer data)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        g_autoptr(VmPair) pair = vm_expect_pair(64);
        if (!pair) {
            return;
        }
        if (kill_destination(pair, data)) {
            g_autoptr(GError) error = NULL;
            vm_expect_at_home(pair);
            vm_pair_renew_destination(pair, &error);
            g_assert_no_error(error);
            vm_expect_moves(pair);
            return;
        }
    }
    g_error("the destination's QEMU could never be killed in time");
}

/* Also false if RUN was out by then: the sender, which loses nothing by it, has
 * then seen the guest run on the destination. */
static bool
kill_source(VmPair *pair, const Case *c)
{
    const char *wait[] = {"--wait", NULL};
    bool alone = g_str_equal(c->word, "stage connect");
    g_autoptr(VmTool) send = vm_expect_send(pair, c->wait ? wait : NULL);
    g_autoptr(VmTool) receive = alone ? NULL : vm_expect_receive(pair, NULL);
    if (!vm_expect_kill_at(send, c->word, vm_qemu_child(pair->source),
                           SIGKILL) ||
        !vm_expect_end_unless(send, 60000, 1, "has ended",
                              "stage postcopy")) {
        return false;
    }
    if (receive) {
        vm_expect_end(receive, 60000, 1, "postlude receive: ");
    }
    return true;
}

static void
test_source_dies(gconstpointer data)
{
    const Case *c = data;
    for (int attempt = 0; attempt < 5; attempt++) {
        g_autoptr(VmPair) pair = vm_expect_pair(64);
        if (!pair) {
            return;
        }
        if (!kill_source(pair, c)) {
            continue;
        }
        /* The guest is lost, but it must not come up half anywhere. */
        g_autofree char *said = vm_qemu_serial_text(pair->destination);
        g_assert_cmpstr(said, ==, "");
        if (c->wait) {
            vm_expect_waiting(pair);
        }
        return;
    }
    g_error("the source's QEMU could never be killed in time");
}

static void
add(const char *side, const Case *c, GTestDataFunc test)
{
    g_autofree char *path = g_strdup_printf("/a-qemu-that-dies/%s/at-%s", side,
                                            c->word);
    g_test_add_data_func(g_strdelimit(path, " :", '-'), c, test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(destination_cases); i++) {
        add("destination", &destination_cases[i], test_destination_dies);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(source_cases); i++) {
        add("source", &source_cases[i], test_source_dies);
    }
    return g_test_run();
}
