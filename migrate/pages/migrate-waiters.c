/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Outstanding faults by page: see migrate-waiters.h.
 */
#include "migrate/pages/migrate-waiters.h"

static uint64_t
key_of(unsigned block, uint64_t page)
{
    return ((uint64_t)block << 48 | page) + 1;
}

static unsigned
slot_of(uint64_t key)
{
    return (unsigned)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 52);
}
_Static_assert(MIGRATE_WAITERS_SLOTS == 1 << 12, "slot_of yields 12 bits");

void
migrate_waiters_note(MigrateWaiters *waiters, unsigned block, uint64_t page,
                     uint64_t now_ns)
{
    uint64_t key = key_of(block, page);
    unsigned slot = slot_of(key);
    uint64_t held = atomic_load_explicit(&waiters->slots[slot].key,
                                         memory_order_acquire);
    if (held == key) {
        return;
    }
    if (held != 0) {
        waiters->unmeasured++;
        return;
    }
    /* Atomic, because a settler that is about to lose may still read it. */
    atomic_store_explicit(&waiters->slots[slot].since_ns, now_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&waiters->slots[slot].key, key,
                          memory_order_release);
}

bool
migrate_waiters_settle(MigrateWaiters *waiters, unsigned block, uint64_t page,
                       uint64_t *since_ns)
{
    uint64_t key = key_of(block, page);
    unsigned slot = slot_of(key);
    if (atomic_load_explicit(&waiters->slots[slot].key,
                             memory_order_acquire) != key) {
        return false;
    }
    *since_ns = atomic_load_explicit(&waiters->slots[slot].since_ns,
                                     memory_order_relaxed);
    return atomic_compare_exchange_strong_explicit(
        &waiters->slots[slot].key, &key, 0, memory_order_acq_rel,
        memory_order_relaxed);
}

unsigned
migrate_waiters_count(const MigrateWaiters *waiters)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MIGRATE_WAITERS_SLOTS; i++) {
        n += atomic_load_explicit(&waiters->slots[i].key,
                                  memory_order_relaxed) != 0;
    }
    return n;
}
