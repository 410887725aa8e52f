/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No memory for the guest: see migrate-shortage.h.
 */
#include "migrate/pages/migrate-shortage.h"

#include <errno.h>
#include <time.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"

/* For QEMU's own needs, and for what the kernel charges beside the pages. */
#define RESERVE_BYTES (UINT64_C(4) << 20)
/* Taken before the margin is read anew; near the limit by halves, because QEMU
 * and the other bulk connections' page tables take from it too. */
#define ALLOWANCE_BYTES (UINT64_C(8) << 20)
/* Read anew when so much is left: by the time it is gone there is more. */
#define LOW_BYTES (ALLOWANCE_BYTES / 2)
/* And after so long, because others take from it as well. */
#define FRESH_S 1
#define SAY_AGAIN_NS UINT64_C(30000000000)
/* Who waits for room tries again ten times in that. */
#define LASTS_NS UINT64_C(1000000000)

void
migrate_shortage_init(MigrateShortage *shortage)
{
    *shortage = (MigrateShortage){0};
    sem_init(&shortage->wanted, 0, 0);
}

void
migrate_shortage_clear(MigrateShortage *shortage)
{
    if (shortage->thread) {
        atomic_store(&shortage->ending, true);
        sem_post(&shortage->wanted);
        g_thread_join(g_steal_pointer(&shortage->thread));
    }
    g_clear_pointer(&shortage->margin, collapse_margin_free);
    sem_destroy(&shortage->wanted);
}

static uint64_t
read_allowance(const CollapseMargin *margin)
{
    uint64_t bytes = collapse_margin_bytes(margin);
    uint64_t left = bytes > RESERVE_BYTES ? bytes - RESERVE_BYTES : 0;
    uint64_t some = MIN(MAX(left / 2, PAGE_BYTES), ALLOWANCE_BYTES);
    return MIN(left, some);
}

static void
say_if_due(MigrateShortage *shortage)
{
    uint64_t now = fd_now_ns();
    uint64_t refused_ns = atomic_load(&shortage->refused_ns);
    uint64_t said_ns = atomic_load(&shortage->said_ns);
    if (refused_ns <= said_ns ||
        (said_ns && now - said_ns <= SAY_AGAIN_NS)) {
        return;
    }
    atomic_store(&shortage->said_ns, now);
    bool limit = shortage->margin &&
                 atomic_load(&shortage->allowance_bytes) < PAGE_BYTES;
    g_warning("no memory for RAM block '%s' on this host (%s): the guest "
              "waits; free memory or raise QEMU's cgroup limit",
              atomic_load(&shortage->block),
              limit ? "the host or QEMU's memory cgroup is full"
                    : atomic_load(&shortage->reason));
}

void
migrate_shortage_look(MigrateShortage *shortage)
{
    if (shortage->margin) {
        atomic_store(&shortage->allowance_bytes,
                     read_allowance(shortage->margin));
    }
    say_if_due(shortage);
}

/* Until somebody wants a look, or the last one is old; however many want it, it
 * is one look. */
static void
wait_for_want(MigrateShortage *shortage)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FRESH_S;
    while (sem_timedwait(&shortage->wanted, &until) < 0 && errno == EINTR) {
    }
    while (sem_trywait(&shortage->wanted) == 0) {
    }
}

static gpointer
shortage_run(gpointer data)
{
    MigrateShortage *shortage = data;
    migrate_priority_bulk("margin");
    while (!atomic_load(&shortage->ending)) {
        migrate_shortage_look(shortage);
        wait_for_want(shortage);
    }
    return NULL;
}

void
migrate_shortage_mind(MigrateShortage *shortage, CollapseMargin *margin)
{
    g_clear_pointer(&shortage->margin, collapse_margin_free);
    shortage->margin = margin;
    migrate_shortage_look(shortage);
}

bool
migrate_shortage_start(MigrateShortage *shortage, GError **error)
{
    shortage->thread = thread_start("margin", shortage_run, shortage, error);
    return shortage->thread != NULL;
}

bool
migrate_shortage_allows_page(MigrateShortage *shortage)
{
    if (!shortage->margin) {
        return true;
    }
    uint64_t left = atomic_load(&shortage->allowance_bytes);
    while (left >= PAGE_BYTES &&
           !atomic_compare_exchange_weak(&shortage->allowance_bytes, &left,
                                         left - PAGE_BYTES)) {
    }
    /* Once on the way down, and each time in vain. */
    if (left < PAGE_BYTES || left - PAGE_BYTES == LOW_BYTES ||
        (left < LOW_BYTES && left % (64 * PAGE_BYTES) == 0)) {
        sem_post(&shortage->wanted);
    }
    return left >= PAGE_BYTES;
}

void
migrate_shortage_note(MigrateShortage *shortage, const char *block,
                      const char *reason)
{
    atomic_store(&shortage->block, block);
    atomic_store(&shortage->reason, reason);
    atomic_store(&shortage->refused_ns, fd_now_ns());
    sem_post(&shortage->wanted);
}

bool
migrate_shortage_lasts(MigrateShortage *shortage)
{
    uint64_t refused_ns = atomic_load(&shortage->refused_ns);
    return refused_ns && fd_now_ns() - refused_ns < LASTS_NS;
}
