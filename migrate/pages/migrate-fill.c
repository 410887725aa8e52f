/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bulk receiving: see migrate-fill.h.
 */
#include "migrate/pages/migrate-fill.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"

/* Pages claimed at once. More saves system calls, fewer keep a page for a
 * shorter time from the urgent connection; 16 is 64 KiB, about what one
 * recv() finds in the socket. */
#define PIECE_PAGES 16u

struct MigrateFill {
    WireLink *bulk;
    MigratePages *pages;
    MigrateAlarm *alarm;
    GThread *thread;
    MigrateTally tally;
    _Atomic bool ended;
    uint8_t scratch[PIECE_PAGES * PAGE_BYTES];
};

/* Claims as many of the N pages from FIRST as are ABSENT, up to the first that
 * is not. */
static unsigned
claim_run(PageState *states, uint64_t first, unsigned n)
{
    unsigned claimed = 0;
    while (claimed < n && page_state_claim(&states[first + claimed])) {
        claimed++;
    }
    return claimed;
}

/* N claimed pages: their bytes go to where they stay. */
static bool
receive_claimed(MigrateFill *fill, unsigned block, uint64_t first, unsigned n,
                GError **error)
{
    uint8_t *room = migrate_pages_room(fill->pages, block, first);
    uint8_t *to = room ? room : fill->scratch;
    if (!wire_link_read(fill->bulk, to, n * PAGE_BYTES, error)) {
        migrate_pages_give_up(fill->pages, block, first, n);
        return false;
    }
    fill->tally.pushed_pages += n;
    return room ? migrate_pages_finish(fill->pages, block, first, n,
                                       &fill->tally, error)
                : migrate_pages_copy(fill->pages, block, first, n,
                                     fill->scratch, &fill->tally, error);
}

/* At most PIECE_PAGES pages, contiguous: each is received where it belongs,
 * or read away if someone else has it. */
static bool
receive_piece(MigrateFill *fill, unsigned block, uint64_t first, unsigned n,
              GError **error)
{
    PageState *states = migrate_pages_states(fill->pages, block);
    while (n > 0) {
        unsigned claimed = claim_run(states, first, n);
        if (claimed > 0) {
            if (!receive_claimed(fill, block, first, claimed, error)) {
                return false;
            }
        } else {
            claimed = 1;
            fill->tally.duplicates++;
            if (!wire_link_read(fill->bulk, fill->scratch, PAGE_BYTES,
                                error)) {
                return false;
            }
        }
        first += claimed;
        n -= claimed;
    }
    return true;
}

static bool
check_extent(MigrateFill *fill, const WireExtent *extent, GError **error)
{
    const MigrateRam *ram = migrate_pages_ram(fill->pages);
    if (extent->block >= ram->n_blocks ||
        extent->extent >= ram->blocks[extent->block].extents) {
        return error_set(error, ERROR_PROTOCOL,
                         "the source sends extent %u of block %u, which does "
                         "not exist",
                         extent->extent, extent->block);
    }
    unsigned n = migrate_ram_extent_pages(&ram->blocks[extent->block],
                                          extent->extent);
    for (unsigned i = n; i < PAGES_PER_EXTENT; i++) {
        if (bits_get(extent->data, i) || bits_get(extent->zero, i)) {
            return error_set(error, ERROR_PROTOCOL,
                             "the source sends pages behind the end of RAM "
                             "block '%s'",
                             ram->blocks[extent->block].name);
        }
    }
    return true;
}

static bool
receive_extent(MigrateFill *fill, const WireExtent *extent, GError **error)
{
    if (!check_extent(fill, extent, error)) {
        return false;
    }
    const MigrateRam *ram = migrate_pages_ram(fill->pages);
    unsigned n = migrate_ram_extent_pages(&ram->blocks[extent->block],
                                          extent->extent);
    uint64_t first = (uint64_t)extent->extent * PAGES_PER_EXTENT;
    for (unsigned i = 0; i < n; i++) {
        if (bits_get(extent->zero, i) &&
            !migrate_pages_zero(fill->pages, extent->block, first + i,
                                &fill->tally, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < n;) {
        unsigned run =
            bits_run(extent->data, i, MIN(n, i + PIECE_PAGES));
        if (run > 0 && !receive_piece(fill, extent->block, first + i, run,
                                      error)) {
            return false;
        }
        i += MAX(run, 1);
    }
    return true;
}

static bool
receive_all(MigrateFill *fill, GError **error)
{
    for (;;) {
        WireExtentBytes bytes;
        WireExtent extent;
        if (!wire_link_read(fill->bulk, &bytes, sizeof bytes, error) ||
            !wire_extent_decode(&bytes, &extent, error)) {
            return false;
        }
        if (extent.type == WIRE_END) {
            return true;
        }
        if (!receive_extent(fill, &extent, error)) {
            return false;
        }
    }
}

static gpointer
fill_run(gpointer data)
{
    MigrateFill *fill = data;
    GError *why = NULL;
    migrate_priority_bulk("bulk");
    if (!receive_all(fill, &why)) {
        g_prefix_error(&why, "a bulk connection ended early: ");
        migrate_alarm_raise(fill->alarm, why);
    }
    fill->ended = true;
    return NULL;
}

MigrateFill *
migrate_fill_start(WireLink *bulk, MigratePages *pages, MigrateAlarm *alarm)
{
    MigrateFill *fill = g_new0(MigrateFill, 1);
    fill->bulk = bulk;
    fill->pages = pages;
    fill->alarm = alarm;
    GError *why = NULL;
    fill->thread = thread_start("bulk", fill_run, fill, &why);
    if (!fill->thread) {
        migrate_alarm_raise(alarm, why);
        g_clear_pointer(&fill, g_free);
    }
    return fill;
}

void
migrate_fill_stop(MigrateFill *fill, MigrateTally *tally)
{
    if (!fill->ended) {
        wire_link_shutdown(fill->bulk);
    }
    g_thread_join(fill->thread);
    if (tally) {
        migrate_tally_merge(tally, &fill->tally);
    }
    g_free(fill);
}

void
migrate_fill_count(const MigrateFill *fill, MigrateTally *tally)
{
    migrate_tally_add(tally, &fill->tally);
}
