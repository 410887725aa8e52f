/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How far a running migration is, in a handful of numbers: for the progress
 * bar and for 'postlude status'. Main thread; reads what threads count.
 */
#pragma once

#include "migrate/session/migrate-session.h"

typedef struct {
    uint64_t total_pages;
    uint64_t present_pages; /* at the destination, as far as we know */
    uint64_t faults;        /* pages asked for over the network */
    uint64_t bytes;         /* over all connections, our direction */
    uint64_t huge_extents;  /* destination only */
    uint64_t extents;
    uint64_t lay_extents;   /* destination, while it lays huge pages: of so */
    uint64_t tried_extents; /* many so many are done */
    bool lacks_memory;      /* destination only: the guest waits for some */
} MigrateFigures;

void migrate_figures_take(const MigrateSession *session,
                          MigrateFigures *figures);
