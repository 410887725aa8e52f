/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How fast it goes and how long it will take: the rate of late, and no estimate
 * from a rate that is not one. Pure; main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t last_ns, last_bytes;
    uint64_t moved_ns; /* when bytes came last */
    double rate;       /* bytes per second, smoothed; 0: nothing moves */
} MigrateEstimate;

/* BYTES went by until NOW_NS. */
void migrate_estimate_update(MigrateEstimate *estimate, uint64_t now_ns,
                             uint64_t bytes);

/* False if nobody could know: nothing moves, or it would take days. */
bool migrate_estimate_left(const MigrateEstimate *estimate,
                           uint64_t left_bytes, double *seconds);
