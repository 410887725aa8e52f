/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fitting a progress bar: see migrate-bar.h.
 */
#include "migrate/show/migrate-bar.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "base/terminal.h"

#define MOST_CELLS 24u
#define LEAST_CELLS 8u /* fewer tell nothing */
#define FRAME 3u       /* "[", "] " */
#define WIDE 60u       /* from here on the bar is worth more than a last field */

void
migrate_bar_clear(MigrateBar *bar)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bar->fields); i++) {
        g_clear_pointer(&bar->fields[i], g_free);
    }
}

char *
migrate_bar_text(const MigrateBar *bar)
{
    return g_strjoinv(", ", (char **)bar->fields);
}

/* The first of all fields is there in any case, as far as it goes. */
static char *
choose_fields(const MigrateBar *bar, unsigned room)
{
    GString *text = g_string_new(bar->fields[0]);
    for (unsigned i = 1; bar->fields[i]; i++) {
        if (terminal_width(text->str) + 2 + terminal_width(bar->fields[i]) <=
            room) {
            g_string_append_printf(text, ", %s", bar->fields[i]);
        }
    }
    return g_string_free(text, false);
}

static void
append_cells(GString *line, double share, unsigned cells)
{
    unsigned full = (unsigned)(CLAMP(share, 0, 1) * cells);
    g_string_append_c(line, '[');
    for (unsigned i = 0; i < cells; i++) {
        g_string_append_c(line, i < full ? '#' : '.');
    }
    g_string_append(line, "] ");
}

char *
migrate_bar_line(const MigrateBar *bar, unsigned columns)
{
    unsigned room = columns > 1 ? columns - 1 : 0;
    bool has_bar = bar->share >= 0;
    g_autofree char *head = g_strdup_printf("%-10s ", bar->stage);
    unsigned taken = terminal_width(head);
    unsigned kept = has_bar && columns >= WIDE ? LEAST_CELLS + FRAME : 0;
    g_autofree char *text =
        choose_fields(bar, room > taken + kept ? room - taken - kept : 0);
    taken += terminal_width(text);
    GString *line = g_string_new(head);
    if (has_bar && taken + FRAME + LEAST_CELLS <= room) {
        append_cells(line, bar->share,
                     MIN(room - taken - FRAME, MOST_CELLS));
    }
    g_string_append(line, text);
    g_autofree char *whole = g_string_free(line, false);
    return terminal_cut(whole, room);
}
