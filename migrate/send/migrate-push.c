/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bulk sending: see migrate-push.h.
 */
#include "migrate/send/migrate-push.h"

#include <stdatomic.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"
#include "migrate/ram/migrate-ram-source.h"
#include "migrate/send/migrate-serve.h"

/* Unsent bytes we leave in the kernel: what a hot extent cannot overtake. */
#define UNSENT_BYTES (128u * 1024)

struct MigratePush {
    WireLink *bulk;
    const MigrateRam *ram;
    MigrateSent *sent;
    MigrateOrder *order;
    bool zero_copy;
    MigrateAlarm *alarm;
    GThread *thread;
    _Atomic bool stopping;
    _Atomic uint64_t sent_pages;
    _Atomic uint64_t zero_pages;
};

/* Fills in HEAD: of the pages that are ours to send (TAKEN), those with bytes
 * other than zero are data, all others zero. */
static void
push_classify(const MigrateBlock *block, uint32_t extent,
              const uint64_t taken[8], const uint64_t held[8], WireExtent *head)
{
    const uint8_t *bytes = migrate_ram_source_of(block)->look(block, extent);
    unsigned n = migrate_ram_extent_pages(block, extent);
    for (unsigned i = 0; i < n; i++) {
        if (!bits_get(taken, i)) {
            continue;
        }
        bool zero = !bits_get(held, i) ||
                    migrate_is_zero(bytes + i * PAGE_BYTES, PAGE_BYTES);
        bits_set(zero ? head->zero : head->data, i);
    }
}

static bool
send_run(MigratePush *push, const MigrateBlock *block, uint64_t page,
         unsigned n, GError **error)
{
    uint32_t extent = (uint32_t)(page / PAGES_PER_EXTENT);
    uint64_t offset;
    int file = push->zero_copy
                   ? migrate_ram_source_of(block)->file(block, page, &offset)
                   : -1;
    if (file >= 0) {
        return wire_link_send_file(push->bulk, file, offset, n * PAGE_BYTES,
                                   error);
    }
    const uint8_t *bytes = migrate_ram_source_of(block)->look(block, extent) +
                           page % PAGES_PER_EXTENT * PAGE_BYTES;
    return wire_link_write(push->bulk, bytes, n * PAGE_BYTES, error);
}

static bool
send_runs(MigratePush *push, const MigrateBlock *block, const WireExtent *head,
          GError **error)
{
    uint64_t first = (uint64_t)head->extent * PAGES_PER_EXTENT;
    for (unsigned i = 0; i < PAGES_PER_EXTENT;) {
        unsigned run = bits_run(head->data, i, PAGES_PER_EXTENT);
        if (run > 0 && !send_run(push, block, first + i, run, error)) {
            return false;
        }
        i += MAX(run, 1);
    }
    return true;
}

static bool
send_extent(MigratePush *push, unsigned block_index, uint32_t extent,
            GError **error)
{
    const MigrateBlock *block = &push->ram->blocks[block_index];
    WireExtent head = {
        .type = WIRE_EXTENT, .block = block_index, .extent = extent};
    uint64_t taken[8], held[8];
    if (!migrate_ram_source_of(block)->find_data(block, extent, held, error)) {
        return false;
    }
    migrate_sent_take_extent(push->sent, block_index, extent, taken);
    push_classify(block, extent, taken, held, &head);

    WireExtentBytes bytes;
    wire_extent_encode(&head, &bytes);
    unsigned n_data = bits_count(head.data, 8);
    bool ok = n_data > 0
                  ? wire_link_write_more(push->bulk, &bytes, sizeof bytes,
                                         error)
                  : wire_link_write(push->bulk, &bytes, sizeof bytes, error);
    ok = ok && send_runs(push, block, &head, error);
    migrate_ram_source_of(block)->forget(block, extent);
    if (!ok) {
        return false;
    }
    atomic_fetch_add_explicit(&push->sent_pages, n_data,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&push->zero_pages, bits_count(head.zero, 8),
                              memory_order_relaxed);
    return true;
}

static bool
send_all(MigratePush *push, GError **error)
{
    unsigned block;
    uint32_t extent;
    while (!push->stopping &&
           migrate_order_next(push->order, &block, &extent)) {
        if (!send_extent(push, block, extent, error)) {
            return false;
        }
    }
    WireExtent end = {.type = WIRE_END};
    WireExtentBytes bytes;
    wire_extent_encode(&end, &bytes);
    return wire_link_write(push->bulk, &bytes, sizeof bytes, error);
}

static gpointer
push_run(gpointer data)
{
    MigratePush *push = data;
    GError *why = NULL;
    migrate_priority_bulk("bulk");
    wire_link_keep_short(push->bulk, UNSENT_BYTES);
    if (!send_all(push, &why) && !push->stopping) {
        g_prefix_error(&why, "a bulk connection is lost: ");
        migrate_alarm_raise(push->alarm, g_steal_pointer(&why));
    }
    g_clear_error(&why);
    return NULL;
}

MigratePush *
migrate_push_start(WireLink *bulk, const MigrateRam *ram, MigrateSent *sent,
                   MigrateOrder *order, bool zero_copy, MigrateAlarm *alarm)
{
    MigratePush *push = g_new0(MigratePush, 1);
    push->bulk = bulk;
    push->ram = ram;
    push->sent = sent;
    push->order = order;
    push->zero_copy = zero_copy;
    push->alarm = alarm;
    GError *why = NULL;
    push->thread = thread_start("bulk", push_run, push, &why);
    if (!push->thread) {
        migrate_alarm_raise(alarm, why);
        g_clear_pointer(&push, g_free);
    }
    return push;
}

void
migrate_push_stop(MigratePush *push)
{
    push->stopping = true;
    wire_link_shutdown(push->bulk);
    g_thread_join(push->thread);
    g_free(push);
}

uint64_t
migrate_push_sent(const MigratePush *push)
{
    return atomic_load_explicit(&push->sent_pages, memory_order_relaxed);
}

uint64_t
migrate_push_zero(const MigratePush *push)
{
    return atomic_load_explicit(&push->zero_pages, memory_order_relaxed);
}
