/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The other processes that map the guest's RAM (vhost-user back ends), swept
 * after the guest: the huge pages are there by then, and only entries in their
 * page tables are missing. Runs on the thread that swept the guest.
 */
#pragma once

#include "migrate/migrate-guest.h"

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
