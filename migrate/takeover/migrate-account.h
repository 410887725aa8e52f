/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a migration has measured up to now, on one side of it: as much of the
 * report as a successor needs to go on counting. Stands in the journal. Times
 * are of the monotonic clock, which all processes of a host share until it is
 * booted anew, and the journal does not outlive that. 0 is "not yet", or not
 * known. Latencies are not in it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t takeovers;
    uint64_t started_ns, armed_ns, waited_ns, switched_ns, arrived_ns;
    uint64_t downtime_us;
    uint64_t bytes_sent, bytes_received, device_bytes;
    uint64_t demand_pages, pushed_pages, zero_pages, discarded_pages;
    uint64_t duplicate_pages;
    uint64_t unknown_pages; /* receive: came in a way that nobody recorded */
    uint64_t lay_ns, laid_extents;
    uint64_t source_ran; /* 1: it did, after RUN */
} MigrateAccount;

/* The names of the fields in the journal, and where they are. */
typedef struct {
    const char *key;
    size_t offset;
} MigrateAccountField;

extern const MigrateAccountField migrate_account_fields[];
extern const unsigned migrate_account_n_fields;
