/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The line of the progress bar: as much as fits into a terminal of some width,
 * what matters most first. Pure.
 */
#pragma once

#define MIGRATE_BAR_FIELDS 6

typedef struct {
    const char *stage;
    double share; /* of the bar that is full, 0 to 1; negative: no bar */
    char *fields[MIGRATE_BAR_FIELDS + 1]; /* owned; the most important first */
} MigrateBar;

/* One line, narrower than COLUMNS; owned by the caller. */
char *migrate_bar_line(const MigrateBar *bar, unsigned columns);

/* All of the fields, for a log; owned by the caller. */
char *migrate_bar_text(const MigrateBar *bar);

void migrate_bar_clear(MigrateBar *bar);
