/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How wide a terminal is and what fits into it: on a pseudo-terminal whose width
 * the test sets, and where there is none.
 */
#include "base/terminal.h"

#include <errno.h>
#include <glib.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *text;
    unsigned width, columns;
    const char *cut;
} Case;

static const Case cases[] = {
    {"postcopy", 8, 8, "postcopy"},
    {"postcopy", 8, 5, "postc"},
    {"postcopy", 8, 0, ""},
    {"grün", 4, 3, "grü"},
    {"東京都", 6, 5, "東京"}, /* half a character is none */
    {"e\xcc\x81X", 2, 1, "e\xcc\x81"}, /* the accent goes with its letter */
    {"🐧x", 3, 2, "🐧"},
    {"", 0, 80, ""},
};

static void
test_cut(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *cut = terminal_cut(c->text, c->columns);
    g_assert_cmpstr(cut, ==, c->cut);
    g_assert_cmpuint(terminal_width(c->text), ==, c->width);
    g_assert_cmpuint(terminal_width(cut), <=, c->columns);
}

static void
open_terminal(int *ours, int *theirs, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    g_assert_cmpint(openpty(ours, theirs, NULL, NULL, &size), ==, 0);
}

static void
test_columns(void)
{
    int ours, theirs;
    g_unsetenv("COLUMNS");
    open_terminal(&ours, &theirs, 132);
    g_assert_cmpuint(terminal_columns(theirs), ==, 132);
    close(ours);
    close(theirs);
    open_terminal(&ours, &theirs, 0); /* a serial console knows none */
    g_assert_cmpuint(terminal_columns(theirs), ==, 80);
    g_setenv("COLUMNS", "50", true);
    g_assert_cmpuint(terminal_columns(theirs), ==, 50);
    g_setenv("COLUMNS", "wide", true);
    g_assert_cmpuint(terminal_columns(theirs), ==, 80);
    g_setenv("COLUMNS", "0", true);
    g_assert_cmpuint(terminal_columns(theirs), ==, 80);
    g_unsetenv("COLUMNS");
    g_assert_cmpuint(terminal_columns(-1), ==, 80);
    close(ours);
    close(theirs);
}

static void
test_is(void)
{
    int ours, theirs, pipes[2];
    open_terminal(&ours, &theirs, 80);
    g_assert_cmpint(pipe(pipes), ==, 0);
    g_setenv("TERM", "xterm", true);
    g_assert_true(terminal_is(theirs));
    g_assert_false(terminal_is(pipes[1]));
    g_setenv("TERM", "dumb", true);
    g_assert_false(terminal_is(theirs));
    close(ours);
    close(theirs);
    close(pipes[0]);
    close(pipes[1]);
}

static void
test_show(void)
{
    int ours, theirs;
    static const char expected[] = "\r\033[K012345678\r\033[K";
    char got[100] = "";
    open_terminal(&ours, &theirs, 10);
    terminal_show(theirs, "0123456789 and more");
    terminal_hide(theirs);
    for (size_t held = 0; held < strlen(expected);) {
        ssize_t n = read(ours, got + held, sizeof got - 1 - held);
        g_assert_cmpint(n, >, 0);
        held += (size_t)n;
    }
    g_assert_cmpstr(got, ==, expected);
    close(ours);
    close(theirs);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/terminal/cut/%zu", i);
        g_test_add_data_func(path, &cases[i], test_cut);
    }
    g_test_add_func("/terminal/columns", test_columns);
    g_test_add_func("/terminal/is", test_is);
    g_test_add_func("/terminal/show", test_show);
    return g_test_run();
}
