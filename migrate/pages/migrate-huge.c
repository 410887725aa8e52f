/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Complete extents become huge: see migrate-huge.h.
 *
 * Whoever completes an extent writes its number into the next slot of a list
 * that has room for all of them, and posts a semaphore: no lock, no
 * allocation, no waiting. The thread takes them in that order, each together
 * with its neighbours that are complete as well.
 */
#include "migrate/pages/migrate-huge.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"

#define RUN_MAX 64u

enum {
    EXTENT_OPEN = 0,
    EXTENT_COMPLETE = 1, /* all pages PRESENT; to be tried */
    EXTENT_TRIED = 2,    /* the kernel said no; the sweep at the end asks again */
    EXTENT_HUGE = 3,
};

struct MigrateHuge {
    const MigrateRam *ram;
    MigratePages *pages;
    CollapseTarget *target;
    _Atomic uint8_t **state; /* per block, per extent */
    _Atomic uint64_t *list;  /* block << 32 | extent, plus one; 0: empty */
    _Atomic uint64_t tail;   /* next free slot */
    uint64_t head;           /* next to take; the thread's */
    sem_t posted;
    _Atomic bool finishing;
    GThread *thread;
    _Atomic uint64_t extents;
    _Atomic uint64_t ns;
    uint64_t cpu_ns; /* of the whole thread; set when it ends */
};

static void
huge_offer(void *data, unsigned block, uint32_t extent)
{
    MigrateHuge *huge = data;
    atomic_store_explicit(&huge->state[block][extent], EXTENT_COMPLETE,
                          memory_order_release);
    uint64_t slot = atomic_fetch_add_explicit(&huge->tail, 1,
                                              memory_order_relaxed);
    atomic_store_explicit(&huge->list[slot],
                          ((uint64_t)block << 32 | extent) + 1,
                          memory_order_release);
    sem_post(&huge->posted);
}

static bool
is_complete(MigrateHuge *huge, unsigned block, uint32_t extent)
{
    return atomic_load_explicit(&huge->state[block][extent],
                                memory_order_acquire) == EXTENT_COMPLETE;
}

static void
huge_settle(MigrateHuge *huge, unsigned block, uint32_t first, uint32_t n,
            uint8_t state)
{
    for (uint32_t i = 0; i < n; i++) {
        atomic_store_explicit(&huge->state[block][first + i], state,
                              memory_order_release);
    }
    if (state == EXTENT_HUGE) {
        atomic_fetch_add_explicit(&huge->extents, n, memory_order_relaxed);
    }
}

static void
collapse_run(MigrateHuge *huge, unsigned block, uint32_t first, uint32_t n)
{
    uint64_t hva = huge->ram->blocks[block].hva;
    uint64_t before = fd_now_ns();
    bool all = collapse_target_range(huge->target, hva + first * EXTENT_BYTES,
                                     n) == 0;
    if (all) {
        huge_settle(huge, block, first, n, EXTENT_HUGE);
    }
    for (uint32_t i = 0; !all && i < n; i++) {
        int failed = n == 1 ? EAGAIN
                            : collapse_target_extent(
                                  huge->target,
                                  hva + (first + i) * EXTENT_BYTES);
        huge_settle(huge, block, first + i, 1,
                    failed ? EXTENT_TRIED : EXTENT_HUGE);
    }
    atomic_fetch_add_explicit(&huge->ns, fd_now_ns() - before,
                              memory_order_relaxed);
}

/* The extent and its complete neighbours, RUN_MAX at most. */
static void
huge_take(MigrateHuge *huge, unsigned block, uint32_t extent)
{
    const MigrateBlock *b = &huge->ram->blocks[block];
    uint32_t first = extent, n = 1;
    if (!is_complete(huge, block, extent)) {
        return; /* went along with a neighbour */
    }
    while (first > 0 && n < RUN_MAX && is_complete(huge, block, first - 1)) {
        first--;
        n++;
    }
    while (first + n < b->extents && n < RUN_MAX &&
           is_complete(huge, block, first + n)) {
        n++;
    }
    collapse_run(huge, block, first, n);
}

static void
serve_list(MigrateHuge *huge)
{
    for (;;) {
        if (sem_wait(&huge->posted) < 0) {
            continue;
        }
        if (huge->head == atomic_load(&huge->tail)) {
            if (huge->finishing) {
                return;
            }
            continue;
        }
        uint64_t entry;
        while ((entry = atomic_load_explicit(&huge->list[huge->head],
                                             memory_order_acquire)) == 0) {
            g_thread_yield(); /* its writer is between its two stores */
        }
        huge->head++;
        huge_take(huge, (unsigned)((entry - 1) >> 32), (uint32_t)(entry - 1));
    }
}

static gpointer
huge_run(gpointer data)
{
    MigrateHuge *huge = data;
    struct timespec cpu;
    migrate_priority_bulk("huge");
    serve_list(huge);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    huge->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    return NULL;
}

MigrateHuge *
migrate_huge_start(MigratePages *pages, CollapseTarget *target, GError **error)
{
    MigrateHuge *huge = g_new0(MigrateHuge, 1);
    huge->ram = migrate_pages_ram(pages);
    huge->pages = pages;
    huge->target = target;
    huge->state = g_new0(_Atomic uint8_t *, huge->ram->n_blocks);
    for (unsigned i = 0; i < huge->ram->n_blocks; i++) {
        huge->state[i] = g_malloc0(huge->ram->blocks[i].extents);
    }
    huge->list = g_malloc0(huge->ram->extents * sizeof huge->list[0]);
    sem_init(&huge->posted, 0, 0);
    migrate_pages_on_complete(pages, huge_offer, huge);
    huge->thread = thread_start("huge", huge_run, huge, error);
    if (!huge->thread) {
        g_clear_pointer(&huge, migrate_huge_stop);
    }
    return huge;
}

void
migrate_huge_finish(MigrateHuge *huge)
{
    if (huge->thread) {
        huge->finishing = true;
        sem_post(&huge->posted);
        g_thread_join(g_steal_pointer(&huge->thread));
    }
}

void
migrate_huge_stop(MigrateHuge *huge)
{
    migrate_huge_finish(huge);
    migrate_pages_on_complete(huge->pages, NULL, NULL);
    for (unsigned i = 0; i < huge->ram->n_blocks; i++) {
        g_free(huge->state[i]);
    }
    g_free(huge->state);
    g_free(huge->list);
    sem_destroy(&huge->posted);
    g_free(huge);
}

bool
migrate_huge_is(const MigrateHuge *huge, unsigned block, uint32_t extent)
{
    return atomic_load_explicit(&huge->state[block][extent],
                                memory_order_acquire) == EXTENT_HUGE;
}

uint64_t
migrate_huge_extents(const MigrateHuge *huge)
{
    return atomic_load_explicit(&huge->extents, memory_order_relaxed);
}

uint64_t
migrate_huge_cpu_ns(const MigrateHuge *huge)
{
    return huge->thread ? 0 : huge->cpu_ns;
}

uint64_t
migrate_huge_ns(const MigrateHuge *huge)
{
    return atomic_load_explicit(&huge->ns, memory_order_relaxed);
}
