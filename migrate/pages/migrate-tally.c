/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sums: see migrate-tally.h.
 */
#include "migrate/pages/migrate-tally.h"

void
migrate_tally_add(MigrateTally *into, const MigrateTally *from)
{
    into->demand_pages += from->demand_pages;
    into->pushed_pages += from->pushed_pages;
    into->zero_pages += from->zero_pages;
    into->duplicates += from->duplicates;
    into->discarded_pages += from->discarded_pages;
    into->faults += from->faults;
}

void
migrate_tally_merge(MigrateTally *into, const MigrateTally *from)
{
    migrate_tally_add(into, from);
    histogram_merge(&into->latency, &from->latency);
}
