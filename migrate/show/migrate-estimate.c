/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rate, and what follows from it: see migrate-estimate.h.
 */
#include "migrate/show/migrate-estimate.h"

#define STILL_NS UINT64_C(2000000000)
#define LONGEST_S 86400.0

void
migrate_estimate_update(MigrateEstimate *estimate, uint64_t now_ns,
                        uint64_t bytes)
{
    uint64_t passed = now_ns - estimate->last_ns;
    if (bytes != estimate->last_bytes) {
        estimate->moved_ns = now_ns;
    }
    if (now_ns - estimate->moved_ns >= STILL_NS) {
        estimate->rate = 0; /* and not a little less each time, for ever */
    } else if (estimate->last_ns && passed > 0 &&
               bytes >= estimate->last_bytes) {
        double rate =
            (double)(bytes - estimate->last_bytes) * 1e9 / (double)passed;
        estimate->rate = estimate->rate > 0
                             ? estimate->rate * 0.7 + rate * 0.3
                             : rate;
    }
    estimate->last_ns = now_ns;
    estimate->last_bytes = bytes;
}

bool
migrate_estimate_left(const MigrateEstimate *estimate, uint64_t left_bytes,
                      double *seconds)
{
    if (estimate->rate <= 0) {
        return false;
    }
    *seconds = (double)left_bytes / estimate->rate;
    return *seconds <= LONGEST_S;
}
