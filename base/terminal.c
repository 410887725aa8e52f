/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The width of a terminal and what fits into it: see terminal.h.
 */
#include "base/terminal.h"

#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define USUAL_COLUMNS 80
#define TAKE_BACK "\r\033[K"

bool
terminal_is(int fd)
{
    return isatty(fd) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

unsigned
terminal_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    guint64 told;
    const char *columns = g_getenv("COLUMNS");
    return columns && g_ascii_string_to_unsigned(columns, 10, 1, 10000, &told,
                                                 NULL)
               ? (unsigned)told
               : USUAL_COLUMNS;
}

static unsigned
width_of(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

unsigned
terminal_width(const char *text)
{
    unsigned width = 0;
    for (; *text; text = g_utf8_next_char(text)) {
        width += width_of(g_utf8_get_char(text));
    }
    return width;
}

char *
terminal_cut(const char *text, unsigned columns)
{
    const char *end = text;
    unsigned width = 0;
    while (*end && width + width_of(g_utf8_get_char(end)) <= columns) {
        width += width_of(g_utf8_get_char(end));
        end = g_utf8_next_char(end);
    }
    return g_strndup(text, (gsize)(end - text));
}

/* In one write, so that lines of several threads do not mix. */
void
terminal_show(int fd, const char *text)
{
    g_autofree char *fits = terminal_cut(text, terminal_columns(fd) - 1);
    g_autofree char *line = g_strconcat(TAKE_BACK, fits, NULL);
    ssize_t ignored = write(fd, line, strlen(line));
    (void)ignored;
}

void
terminal_hide(int fd)
{
    ssize_t ignored = write(fd, TAKE_BACK, strlen(TAKE_BACK));
    (void)ignored;
}
