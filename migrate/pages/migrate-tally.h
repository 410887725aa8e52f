/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What one thread of the destination counts.
 */
#pragma once

#include "base/histogram.h"

/* Counters of one thread; merged for the report. The numbers may be read while
 * that thread is at work, the latency may not. */
typedef struct {
    _Atomic uint64_t demand_pages; /* arrived on the urgent connection */
    _Atomic uint64_t pushed_pages; /* arrived in bulk */
    _Atomic uint64_t zero_pages;   /* known to be zero */
    _Atomic uint64_t duplicates;   /* arrived when it was not ABSENT */
    _Atomic uint64_t discarded_pages; /* by the guest, before they arrived */
    _Atomic uint64_t faults;       /* events read from the kernel */
    Histogram latency;             /* event read -> page mapped */
} MigrateTally;

void migrate_tally_merge(MigrateTally *into, const MigrateTally *from);

/* The numbers only. */
void migrate_tally_add(MigrateTally *into, const MigrateTally *from);
