/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When each outstanding fault was read, so that whoever maps its page can say
 * how long the guest waited. Only a measurement: when two outstanding pages
 * fall on one slot, the second goes unmeasured (and is counted as such).
 * The fault thread notes, any thread settles; no lock, no allocation.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MIGRATE_WAITERS_SLOTS 4096

typedef struct {
    struct {
        _Atomic uint64_t key; /* block and page, 0: free */
        _Atomic uint64_t since_ns;
    } slots[MIGRATE_WAITERS_SLOTS];
    uint64_t unmeasured;
} MigrateWaiters;

/* Fault thread only. Does nothing if the page is noted already. */
void migrate_waiters_note(MigrateWaiters *waiters, unsigned block,
                          uint64_t page, uint64_t now_ns);

/* True once per noted page; *SINCE_NS is when it was noted. */
bool migrate_waiters_settle(MigrateWaiters *waiters, unsigned block,
                            uint64_t page, uint64_t *since_ns);

/* Pages noted and not settled; exact only when nobody else is at work. */
unsigned migrate_waiters_count(const MigrateWaiters *waiters);
