/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What send and receive draw on a terminal fits into one line of it, at 80
 * columns, at 40, and from the moment on at which it is made narrower.
 */
#include <signal.h>
#include <string.h>

#include "base/terminal.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"
#include "tests/support/vm-screen.h"

/* Each drawing of TEXT is a line narrower than COLUMNS. A piece with an end of
 * line is a message of the log, which may be as long as it likes. Returns the
 * width of the widest. */
static unsigned
expect_narrow(const char *text, unsigned columns)
{
    unsigned widest = 0;
    g_auto(GStrv) pieces = g_strsplit(text, VM_SCREEN_TAKE_BACK, -1);
    for (char **piece = pieces; *piece; piece++) {
        if (!strchr(*piece, '\n')) {
            g_assert_true(g_utf8_validate(*piece, -1, NULL));
            if (terminal_width(*piece) >= columns) {
                g_error("%u columns do not hold: %s", columns, *piece);
            }
            widest = MAX(widest, terminal_width(*piece));
        }
    }
    return widest;
}

static void
test_both_sides(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    VmScreen send, receive;
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    const char *sender[] = {vm_tool_path(), "send", "--wait", "--qmp",
                            vm_qemu_tool_socket(pair->source), "--listen", at,
                            NULL};
    const char *receiver[] = {vm_tool_path(), "receive", "--qmp",
                              vm_qemu_tool_socket(pair->destination),
                              "--connect", at, NULL};
    vm_screen_start(&send, 80, sender);
    vm_screen_wait(&send, "waiting for the destination, 1 s so far");
    vm_screen_start(&receive, 40, receiver);
    vm_screen_wait(&send, "wait       ready; waiting for SIGUSR1, 1 s so far");
    vm_screen_wait(&receive, "wait       ready; waiting for the s");
    g_assert_cmpuint(expect_narrow(send.said->str, 80), >, 40);

    vm_screen_take_in(&send);
    g_string_truncate(send.said, 0);
    vm_screen_resize(&send, 40);
    vm_screen_wait(&send, VM_SCREEN_TAKE_BACK
                   "wait       ready; waiting for SIGUSR1" VM_SCREEN_TAKE_BACK);
    long since = strstr(send.said->str, "SIGUSR1" VM_SCREEN_TAKE_BACK) -
                 send.said->str;
    vm_child_kill(send.child, SIGUSR1);
    vm_screen_expect_end(&send);
    vm_screen_expect_end(&receive);
    expect_narrow(send.said->str + since, 40);
    expect_narrow(receive.said->str, 40);
    vm_screen_clear(&send);
    vm_screen_clear(&receive);
    vm_expect_arrived(pair);
}

/* In a log, while memory moves: each side says what is true on it. */
static void
test_words(void)
{
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    vm_expect_says(p.send, " of 64 MiB delivered, ");
    vm_expect_says(p.receive, " of 64 MiB here, ");
    vm_expect_said(p.send, " MiB here", 0);
    vm_passage_order(p.proxy, "heal");
    vm_expect_arrives(p.pair, p.send, p.receive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/progress/both-sides", test_both_sides);
    g_test_add_func("/progress/words", test_words);
    return g_test_run();
}
