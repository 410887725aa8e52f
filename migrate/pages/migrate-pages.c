/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's pages: see migrate-pages.h.
 */
#include "migrate/pages/migrate-pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-placer.h"
#include "migrate/pages/migrate-states.h"

typedef struct {
    PageState *states;
    _Atomic uint16_t *present; /* per extent: pages PRESENT */
    uint8_t *laid;             /* per extent; behind the states */
    const MigratePlacer *placer;
    MigratePlace place;
} BlockPages;

struct MigratePages {
    const MigrateRam *ram;
    BlockPages *blocks;
    MigrateStates states; /* of all blocks */
    int orphans; /* eventfd */
    MigrateAlarm *alarm;
    void (*on_complete)(void *data, unsigned block, uint32_t extent);
    void *on_complete_data;
    _Atomic uint64_t present;
    _Atomic bool hurry;
    MigrateWaiters waiters;
    MigrateShortage shortage;
};

static void
choose_placer(MigratePages *pages, unsigned block, int uffd)
{
    BlockPages *b = &pages->blocks[block];
    const MigrateBlock *ram = &pages->ram->blocks[block];
    b->placer = ram->placer ? ram->placer : &migrate_placer_file;
    b->place = (MigratePlace){.block = ram,
                              .laid = b->laid,
                              .uffd = uffd,
                              .shortage = &pages->shortage};
}

static MigratePages *
pages_make(const MigrateRam *ram, int uffd, int memory, MigrateAlarm *alarm,
           GError **error)
{
    g_autoptr(MigratePages) pages = g_new0(MigratePages, 1);
    migrate_shortage_init(&pages->shortage);
    pages->alarm = alarm;
    pages->ram = ram;
    pages->orphans = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pages->blocks = g_new0(BlockPages, ram->n_blocks);
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        pages->blocks[i].present =
            g_malloc0(ram->blocks[i].extents * sizeof(_Atomic uint16_t));
    }
    if (pages->orphans < 0) {
        error_set_errno(error, errno, "eventfd");
        return NULL;
    }
    if (!migrate_states_map(&pages->states, ram, memory, error)) {
        return NULL;
    }
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        migrate_states_find(&pages->states, i, &pages->blocks[i].states,
                            &pages->blocks[i].laid);
        choose_placer(pages, i, uffd);
    }
    return g_steal_pointer(&pages);
}

MigratePages *
migrate_pages_new_in(const MigrateRam *ram, uint8_t **laid, int uffd,
                     int memory, MigrateAlarm *alarm, GError **error)
{
    if (!migrate_states_make_room(ram, memory, error)) {
        return NULL;
    }
    MigratePages *pages = pages_make(ram, uffd, memory, alarm, error);
    for (unsigned i = 0; pages && i < ram->n_blocks; i++) {
        memcpy(pages->blocks[i].laid, laid[i], ram->blocks[i].extents);
        g_clear_pointer(&laid[i], g_free);
    }
    return pages;
}

MigratePages *
migrate_pages_new(const MigrateRam *ram, uint8_t **laid, int uffd,
                  MigrateAlarm *alarm, GError **error)
{
    autofd memory = migrate_states_memory(error);
    return memory < 0 ? NULL
                      : migrate_pages_new_in(ram, laid, uffd, memory, alarm,
                                             error);
}

static void
adopt_page(MigratePages *pages, unsigned block, uint64_t page)
{
    PageState *state = &pages->blocks[block].states[page];
    uint8_t old = atomic_load(state);
    unsigned now = old & PAGE_STATE_MASK;
    const BlockPages *b = &pages->blocks[block];
    if (now == PAGE_FILLING) {
        now = b->placer->has_kept(&b->place, page) ? PAGE_PRESENT
                                                   : PAGE_ABSENT;
    }
    if (now == PAGE_PRESENT) {
        pages->blocks[block].present[page / PAGES_PER_EXTENT]++;
        pages->present++;
        atomic_store(state, PAGE_PRESENT);
    } else {
        atomic_store(state, (uint8_t)(old & (PAGE_WANTED | PAGE_DISCARDED)));
    }
}

MigratePages *
migrate_pages_adopt(const MigrateRam *ram, int uffd, int memory,
                    MigrateAlarm *alarm, GError **error)
{
    MigratePages *pages = migrate_states_are_of(ram, memory, error)
                              ? pages_make(ram, uffd, memory, alarm, error)
                              : NULL;
    for (unsigned i = 0; pages && i < ram->n_blocks; i++) {
        for (uint64_t page = 0; page < ram->blocks[i].pages; page++) {
            adopt_page(pages, i, page);
        }
    }
    return pages;
}

void
migrate_pages_offer_again(MigratePages *pages)
{
    for (unsigned i = 0; i < pages->ram->n_blocks; i++) {
        const MigrateBlock *b = &pages->ram->blocks[i];
        for (uint32_t e = 0; e < b->extents; e++) {
            if (pages->blocks[i].laid[e] && pages->on_complete &&
                pages->blocks[i].present[e] ==
                    migrate_ram_extent_pages(b, e)) {
                pages->on_complete(pages->on_complete_data, i, e);
            }
        }
    }
}

void
migrate_pages_free(MigratePages *pages)
{
    for (unsigned i = 0; i < pages->ram->n_blocks; i++) {
        g_free(pages->blocks[i].present);
    }
    migrate_states_unmap(&pages->states);
    fd_clear(&pages->orphans);
    migrate_shortage_clear(&pages->shortage);
    g_free(pages->blocks);
    g_free(pages);
}

const MigrateRam *
migrate_pages_ram(const MigratePages *pages)
{
    return pages->ram;
}

PageState *
migrate_pages_states(MigratePages *pages, unsigned block)
{
    return pages->blocks[block].states;
}

uint8_t *
migrate_pages_room(const MigratePages *pages, unsigned block, uint64_t page)
{
    const BlockPages *b = &pages->blocks[block];
    return b->placer->room(&b->place, page);
}

bool
migrate_pages_is_laid(const MigratePages *pages, unsigned block,
                      uint32_t extent)
{
    return pages->blocks[block].laid[extent];
}

void
migrate_pages_on_complete(MigratePages *pages,
                          void (*call)(void *data, unsigned block,
                                       uint32_t extent),
                          void *data)
{
    pages->on_complete = call;
    pages->on_complete_data = data;
}

MigrateWaiters *
migrate_pages_waiters(MigratePages *pages)
{
    return &pages->waiters;
}

MigrateShortage *
migrate_pages_shortage(MigratePages *pages)
{
    return &pages->shortage;
}

uint64_t
migrate_pages_present(const MigratePages *pages)
{
    return atomic_load_explicit(&pages->present, memory_order_acquire);
}

bool
migrate_pages_complete(const MigratePages *pages)
{
    return migrate_pages_present(pages) == pages->ram->pages;
}

static bool
outcome_to_error(UffdOutcome outcome, const MigrateBlock *block,
                 uint64_t page, GError **error)
{
    if (outcome == UFFD_DONE || outcome == UFFD_EXISTS) {
        return true;
    }
    ErrorCode code = outcome == UFFD_GONE ? ERROR_VM_GONE : ERROR_FAILED;
    return error_set(error, code,
                     "page %" G_GUINT64_FORMAT " of RAM block '%s' cannot be "
                     "mapped into the guest: %s",
                     page, block->name, uffd_outcome_name(outcome));
}

static void
pause_ns(long ns)
{
    struct timespec pause = {.tv_nsec = ns};
    nanosleep(&pause, NULL);
}

bool
migrate_pages_map(MigratePages *pages, unsigned block, uint64_t page,
                  GError **error)
{
    const BlockPages *b = &pages->blocks[block];
    UffdOutcome outcome = b->placer->show(&b->place, page);
    if (outcome == UFFD_NO_ROOM) {
        migrate_shortage_note(&pages->shortage, b->place.block->name,
                              uffd_outcome_name(outcome));
        pause_ns(1000000); /* the guest asks as often as it is woken */
    }
    if (outcome == UFFD_AGAIN || outcome == UFFD_NO_ROOM) {
        outcome = b->placer->wake(&b->place, page);
    }
    return outcome_to_error(outcome, b->place.block, page, error);
}

static void
count_present(MigratePages *pages, unsigned block, uint32_t extent, unsigned n)
{
    const MigrateBlock *b = &pages->ram->blocks[block];
    unsigned whole = migrate_ram_extent_pages(b, extent);
    unsigned before = atomic_fetch_add_explicit(
        &pages->blocks[block].present[extent], (uint16_t)n,
        memory_order_acq_rel);
    if (before + n == whole && pages->blocks[block].laid[extent]) {
        migrate_ram_forget(b, extent);
        if (pages->on_complete) {
            pages->on_complete(pages->on_complete_data, block, extent);
        }
    }
    /* Last, so that "complete" is never seen before the extent was offered
     * to the kernel. */
    uint64_t all = n + atomic_fetch_add_explicit(&pages->present, n,
                                                 memory_order_acq_rel);
    if (all == pages->ram->pages) {
        migrate_alarm_raise(pages->alarm, NULL);
    }
}

/* FILLING -> PRESENT. In a small extent UFFDIO_COPY has mapped the page: the
 * guest may have written to it since, so nothing is taken away there. */
static bool
finish_state(MigratePages *pages, unsigned block, uint64_t page, bool zeroed)
{
    const BlockPages *b = &pages->blocks[block];
    PageState *state = &b->states[page];
    bool wanted;
    if (page_state_try_finish(state, &wanted)) {
        return wanted;
    }
    if (!zeroed && b->laid[page / PAGES_PER_EXTENT]) {
        b->placer->empty(&b->place, page, 1);
    }
    return page_state_finish(state);
}

/* FILLING -> PRESENT for each; who waits gets the page at once. A page that
 * cannot be mapped must not keep its neighbours from those who wait for them:
 * the first error is told at the end. */
static bool
finish_states(MigratePages *pages, unsigned block, uint64_t first, unsigned n,
              bool zeroed, MigrateTally *tally, GError **error)
{
    bool ok = true;
    for (unsigned i = 0; i < n; i++) {
        if (!finish_state(pages, block, first + i, zeroed)) {
            continue;
        }
        if (!migrate_pages_map(pages, block, first + i, ok ? error : NULL)) {
            ok = false;
            continue;
        }
        uint64_t since;
        if (migrate_waiters_settle(&pages->waiters, block, first + i,
                                   &since)) {
            histogram_add(&tally->latency, fd_now_ns() - since);
        }
    }
    return ok;
}

/* ZEROED: what was discarded of it is a hole already. */
static bool
pages_finish(MigratePages *pages, unsigned block, uint64_t first, unsigned n,
             bool zeroed, MigrateTally *tally, GError **error)
{
    bool ok = finish_states(pages, block, first, n, zeroed, tally, error);
    uint64_t page = first;
    while (n > 0) { /* a run may cross from one extent into the next */
        uint32_t extent = (uint32_t)(page / PAGES_PER_EXTENT);
        unsigned room = PAGES_PER_EXTENT - (unsigned)(page % PAGES_PER_EXTENT);
        unsigned part = MIN(n, room);
        count_present(pages, block, extent, part);
        page += part;
        n -= part;
    }
    return ok;
}

bool
migrate_pages_finish(MigratePages *pages, unsigned block, uint64_t first,
                     unsigned n, MigrateTally *tally, GError **error)
{
    return pages_finish(pages, block, first, n, false, tally, error);
}

void
migrate_pages_give_up(MigratePages *pages, unsigned block, uint64_t first,
                      unsigned n)
{
    bool wanted = false;
    for (unsigned i = 0; i < n; i++) {
        wanted |= page_state_give_up(&pages->blocks[block].states[first + i]);
    }
    if (wanted) {
        eventfd_write(pages->orphans, 1);
    }
}

/* From FIRST on to END, within one extent: how many pages are ours now, up to
 * one that is another's or PRESENT, which is passed over too. */
static uint64_t
take_discarded(PageState *states, uint64_t first, uint64_t end, unsigned *ours,
               MigrateTally *tally)
{
    *ours = 0;
    for (uint64_t page = first; page < end; page++) {
        unsigned was = page_state_discard(&states[page]);
        tally->discarded_pages += was != PAGE_PRESENT;
        if (was != PAGE_ABSENT) {
            return page + 1;
        }
        ++*ours;
    }
    return end;
}

/* QEMU has gone on when we hear of it, and the bulk threads never stopped: what
 * is on its way must first be known to be too old, all of it, and in the bytes
 * that a successor finds. Only then is there time to put zeros there. */
void
migrate_pages_discard(MigratePages *pages, unsigned block, uint64_t first,
                      uint64_t n, MigrateTally *tally)
{
    const BlockPages *b = &pages->blocks[block];
    PageState *states = b->states;
    uint64_t end = first + n;
    for (uint64_t page = first; page < end; page++) {
        page_state_doom(&states[page]);
    }
    for (uint64_t page = first; page < end;) {
        uint64_t extent = page / PAGES_PER_EXTENT;
        unsigned ours;
        uint64_t next =
            take_discarded(states, page,
                           MIN(end, (extent + 1) * PAGES_PER_EXTENT), &ours,
                           tally);
        if (ours > 0) {
            tally->zero_pages += ours;
            /* Half of it may have come by a stream that broke. */
            if (b->laid[extent]) {
                b->placer->empty(&b->place, page, ours);
            }
            pages_finish(pages, block, page, ours, true, tally, NULL);
        }
        page = next;
    }
}

void
migrate_pages_hurry(MigratePages *pages, bool on)
{
    atomic_store(&pages->hurry, on);
}

void
migrate_pages_unask_all(MigratePages *pages)
{
    if (migrate_states_unask(&pages->states)) {
        eventfd_write(pages->orphans, 1);
    }
}

int
migrate_pages_orphans_fd(const MigratePages *pages)
{
    return pages->orphans;
}

/* Discarded meanwhile: it stays a hole. */
static UffdOutcome
copy_page(MigratePages *pages, unsigned block, uint64_t page,
          const uint8_t *bytes)
{
    const BlockPages *b = &pages->blocks[block];
    return page_state_is_discarded(&b->states[page])
               ? UFFD_DONE
               : b->placer->copy(&b->place, page, bytes);
}

static bool
is_for_later(UffdOutcome outcome)
{
    return outcome == UFFD_NO_ROOM || outcome == UFFD_AGAIN;
}

/* No memory is not the end: the guest thread waits, and so do we, until the
 * host has some. */
static UffdOutcome
copy_page_with_patience(MigratePages *pages, unsigned block, uint64_t page,
                        const uint8_t *bytes)
{
    UffdOutcome outcome;
    unsigned tries = 0;
    while (is_for_later(outcome = copy_page(pages, block, page, bytes)) &&
           !atomic_load(&pages->hurry)) {
        if (outcome == UFFD_AGAIN) {
            pause_ns(100000); /* as soon as the fault thread has read */
            continue;
        }
        if (++tries >= 10) {
            migrate_shortage_note(&pages->shortage,
                                  pages->ram->blocks[block].name,
                                  uffd_outcome_name(outcome));
        }
        pause_ns(tries < 10 ? 1000000 : 100000000);
    }
    return outcome;
}

bool
migrate_pages_copy(MigratePages *pages, unsigned block, uint64_t first,
                   unsigned n, const uint8_t *bytes, MigrateTally *tally,
                   GError **error)
{
    const MigrateBlock *b = &pages->ram->blocks[block];
    for (unsigned i = 0; i < n; i++) {
        UffdOutcome outcome = copy_page_with_patience(
            pages, block, first + i, bytes + i * PAGE_BYTES);
        if (!outcome_to_error(outcome, b, first + i, error)) {
            migrate_pages_give_up(pages, block, first + i, n - i);
            migrate_pages_finish(pages, block, first, i, tally, NULL);
            return false;
        }
    }
    return migrate_pages_finish(pages, block, first, n, tally, error);
}

/* The fault thread's: while it waited nobody would read faults, nor let go who
 * announced a discard, for which this very page may have to wait (EAGAIN). */
static bool
copy_at_once(MigratePages *pages, unsigned block, uint64_t page,
             const uint8_t *bytes, MigrateTally *tally, GError **error)
{
    UffdOutcome outcome = copy_page(pages, block, page, bytes);
    if (is_for_later(outcome)) {
        migrate_pages_give_up(pages, block, page, 1);
        pause_ns(1000000); /* not to spin */
        return true;
    }
    if (!outcome_to_error(outcome, &pages->ram->blocks[block], page, error)) {
        migrate_pages_give_up(pages, block, page, 1);
        return false;
    }
    return migrate_pages_finish(pages, block, page, 1, tally, error);
}

bool
migrate_pages_zero(MigratePages *pages, unsigned block, uint64_t page,
                   MigrateTally *tally, GError **error)
{
    if (!page_state_claim(&pages->blocks[block].states[page])) {
        tally->duplicates++;
        return true;
    }
    tally->zero_pages++;
    /* Nothing to write: a laid folio was born zero, and a hole in a small
     * extent becomes a zero page when it is touched (uffd_map_page). */
    return migrate_pages_finish(pages, block, page, 1, tally, error);
}

/* An empty extent is claimed page by page, because a fault may have asked for
 * one of them already, and finished in runs. */
void
migrate_pages_hole(MigratePages *pages, unsigned block, uint32_t extent,
                   MigrateTally *tally)
{
    PageState *states = pages->blocks[block].states;
    uint64_t page = (uint64_t)extent * PAGES_PER_EXTENT;
    uint64_t end = page + migrate_ram_extent_pages(&pages->ram->blocks[block],
                                                   extent);
    while (page < end) {
        unsigned n = 0;
        while (page + n < end && page_state_claim(&states[page + n])) {
            n++;
        }
        if (n > 0) {
            tally->zero_pages += n;
            /* A failure to map means QEMU is gone: its pidfd will say so. */
            migrate_pages_finish(pages, block, page, n, tally, NULL);
        }
        page += MAX(n, 1);
    }
}

bool
migrate_pages_store(MigratePages *pages, unsigned block, uint64_t page,
                    const void *bytes, MigrateTally *tally, GError **error)
{
    if (!page_state_claim(&pages->blocks[block].states[page])) {
        tally->duplicates++;
        return true;
    }
    tally->demand_pages++;
    const BlockPages *b = &pages->blocks[block];
    if (!b->laid[page / PAGES_PER_EXTENT]) {
        return copy_at_once(pages, block, page, bytes, tally, error);
    }
    if (!b->placer->write(&b->place, page, bytes, error)) {
        migrate_pages_give_up(pages, block, page, 1);
        return false;
    }
    return migrate_pages_finish(pages, block, page, 1, tally, error);
}
