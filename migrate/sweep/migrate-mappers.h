/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The other processes that map the guest's RAM (vhost-user back ends), swept
 * after the guest: the huge pages are there by then, and only entries in their
 * page tables are missing. Runs on the thread that swept the guest.
 */
#pragma once

#include "collapse/collapse-job.h"
#include "migrate/sweep/migrate-guest.h"

/* Another process that maps the same RAM. */
typedef struct {
    pid_t pid;
    char comm[17];
    char *error;      /* why it could not be swept, or NULL */
    uint64_t extents; /* huge in the guest's own page tables, and here mapped */
    uint64_t huge;    /* of these, huge here at the end */
    uint64_t by_outcome[COLLAPSE_OUTCOMES];
} MigrateSweepMapper;

typedef struct {
    const MigrateGuest *guest;      /* its extents as the sweep has left them */
    const CollapseJobOptions *pace; /* of the guest: one time limit for all */
    int stop;
    CollapseProgress *progress;     /* or NULL */
} MigrateMappers;

/* RESULT is that of the guest's sweep, which was COMPLETED. What comes of the
 * mappers is added to it; the first that ends otherwise ends it all, but for
 * one that has ended itself: of that nothing is said. GArray of
 * MigrateSweepMapper, owned by the caller. */
GArray *migrate_mappers_sweep(const MigrateMappers *self,
                              CollapseResult *result);
