/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answering urgent requests: see migrate-serve.h.
 */
#include "migrate/send/migrate-serve.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"
#include "migrate/ram/migrate-ram-source.h"

#define BATCH 64u

struct MigrateServe {
    WireLink *urgent;
    const MigrateRam *ram;
    MigrateSent *sent;
    MigrateOrder *order;
    MigrateAlarm *alarm;
    GThread *thread;
    _Atomic bool stopping;
    _Atomic uint64_t answered;
    size_t held;
    uint8_t questions[BATCH * sizeof(WireFetchBytes)];
    struct {
        WirePageBytes head;
        uint8_t bytes[PAGE_BYTES];
    } answer;
};

bool
migrate_is_zero(const void *bytes, size_t length)
{
    const uint64_t *at = bytes;
    const uint64_t *end = at + length / sizeof *at;
    for (; at < end; at += 8) { /* a shape the compiler makes vectors of */
        if (at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7]) {
            return false;
        }
    }
    return true;
}

static bool
serve_answer(MigrateServe *serve, const WirePage *page, GError **error)
{
    const MigrateBlock *block = &serve->ram->blocks[page->block];
    if (!migrate_ram_source_of(block)->read(block, page->page,
                                            serve->answer.bytes, error)) {
        return false;
    }
    bool zero = migrate_is_zero(serve->answer.bytes, PAGE_BYTES);
    WirePage head = {.type = zero ? WIRE_ZERO : WIRE_PAGE,
                     .block = page->block,
                     .page = page->page};
    wire_page_encode(&head, &serve->answer.head);
    size_t length = sizeof serve->answer.head + (zero ? 0 : PAGE_BYTES);
    return wire_link_write(serve->urgent, &serve->answer, length, error);
}

/* The answer goes first; what it means for the order comes after. */
static bool
take_question(MigrateServe *serve, const uint8_t *at, GError **error)
{
    WireFetchBytes bytes;
    WirePage page;
    memcpy(&bytes, at, sizeof bytes);
    wire_page_decode(&bytes, &page);
    if (page.type != WIRE_FETCH || page.block >= serve->ram->n_blocks ||
        page.page >= serve->ram->blocks[page.block].pages) {
        return error_set(error, ERROR_PROTOCOL,
                         "nonsense on the urgent connection: type %u, block "
                         "%u, page %" G_GUINT64_FORMAT,
                         page.type, page.block, page.page);
    }
    if (!serve_answer(serve, &page, error)) {
        return false;
    }
    migrate_sent_take(serve->sent, page.block, page.page);
    migrate_order_heat(serve->order, page.block,
                       (uint32_t)(page.page / PAGES_PER_EXTENT));
    atomic_fetch_add_explicit(&serve->answered, 1, memory_order_relaxed);
    return true;
}

static bool
read_questions(MigrateServe *serve, GError **error)
{
    ssize_t n = wire_link_read_next(serve->urgent,
                                    serve->questions + serve->held,
                                    sizeof serve->questions - serve->held,
                                    error);
    if (n < 0) {
        return false;
    }
    serve->held += (size_t)n;
    size_t done = 0;
    for (; serve->held - done >= sizeof(WireFetchBytes);
         done += sizeof(WireFetchBytes)) {
        if (!take_question(serve, serve->questions + done, error)) {
            return false;
        }
    }
    serve->held -= done;
    memmove(serve->questions, serve->questions + done, serve->held);
    return true;
}

static gpointer
serve_run(gpointer data)
{
    MigrateServe *serve = data;
    GError *why = NULL;
    migrate_priority_urgent("urgent");
    while (read_questions(serve, &why)) {
    }
    if (!serve->stopping) {
        g_prefix_error(&why, "the urgent connection is lost: ");
        migrate_alarm_raise(serve->alarm, why);
    } else {
        g_clear_error(&why);
    }
    return NULL;
}

MigrateServe *
migrate_serve_start(WireLink *urgent, const MigrateRam *ram,
                    MigrateSent *sent, MigrateOrder *order,
                    MigrateAlarm *alarm)
{
    MigrateServe *serve = g_new0(MigrateServe, 1);
    serve->urgent = urgent;
    serve->ram = ram;
    serve->sent = sent;
    serve->order = order;
    serve->alarm = alarm;
    GError *why = NULL;
    serve->thread = thread_start("urgent", serve_run, serve, &why);
    if (!serve->thread) {
        migrate_alarm_raise(alarm, why);
        g_clear_pointer(&serve, g_free);
    }
    return serve;
}

void
migrate_serve_stop(MigrateServe *serve)
{
    serve->stopping = true;
    wire_link_shutdown(serve->urgent);
    g_thread_join(serve->thread);
    g_free(serve);
}

uint64_t
migrate_serve_answered(const MigrateServe *serve)
{
    return atomic_load_explicit(&serve->answered, memory_order_relaxed);
}
