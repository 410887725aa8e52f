/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One bit per page: see migrate-sent.h.
 */
#include "migrate/send/migrate-sent.h"

#include <stdatomic.h>

#define WORDS_PER_EXTENT 8u

struct MigrateSent {
    unsigned n_blocks;
    _Atomic uint64_t **words; /* per block, 8 per extent */
};

MigrateSent *
migrate_sent_new(const MigrateRam *ram)
{
    MigrateSent *sent = g_new0(MigrateSent, 1);
    sent->n_blocks = ram->n_blocks;
    sent->words = g_new0(_Atomic uint64_t *, ram->n_blocks);
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        sent->words[i] = g_malloc0(ram->blocks[i].extents *
                                   WORDS_PER_EXTENT * sizeof(uint64_t));
    }
    return sent;
}

void
migrate_sent_free(MigrateSent *sent)
{
    for (unsigned i = 0; i < sent->n_blocks; i++) {
        g_free(sent->words[i]);
    }
    g_free(sent->words);
    g_free(sent);
}

bool
migrate_sent_take(MigrateSent *sent, unsigned block, uint64_t page)
{
    uint64_t mask = UINT64_C(1) << (page % 64);
    return !(atomic_fetch_or_explicit(&sent->words[block][page / 64], mask,
                                      memory_order_relaxed) &
             mask);
}

void
migrate_sent_take_extent(MigrateSent *sent, unsigned block, uint32_t extent,
                         uint64_t taken[8])
{
    _Atomic uint64_t *words =
        &sent->words[block][(uint64_t)extent * WORDS_PER_EXTENT];
    for (unsigned i = 0; i < WORDS_PER_EXTENT; i++) {
        taken[i] = ~atomic_exchange_explicit(&words[i], UINT64_MAX,
                                             memory_order_relaxed);
    }
}
