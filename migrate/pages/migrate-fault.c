/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fault thread: see migrate-fault.h.
 */
#include "migrate/pages/migrate-fault.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "base/thread.h"
#include "migrate/core/migrate-priority.h"
#include "uffd/uffd-reader.h"

#define ANSWER_BYTES (sizeof(WirePageBytes) + PAGE_BYTES)
#define ANSWERS_ROOM (16 * ANSWER_BYTES)

struct MigrateFault {
    int uffd; /* -1 once it is dead */
    int call; /* eventfd: stand still, or end */
    _Atomic bool ending;
    sem_t still, go_on;
    const UffdRegions *regions;
    WireLink *urgent; /* NULL once it broke */
    MigratePages *pages;
    MigrateAlarm *alarm;
    GThread *thread;
    MigrateTally tally;
    _Atomic uint64_t demanded;
    uint64_t unanswered; /* questions */
    _Atomic uint64_t waits_since;
    size_t held; /* bytes of answers not yet understood */
    UffdEvent events[UFFD_READER_BATCH];
    WireFetchBytes questions[UFFD_READER_BATCH];
    uint8_t answers[ANSWERS_ROOM];
};

/* One fault: mapped at once if it is here, asked for otherwise. Noted before
 * it is wanted, so that a bulk thread that finishes it meanwhile can measure. */
static bool
take_fault(MigrateFault *fault, const UffdEvent *event, uint64_t now,
           unsigned *n_questions, GError **error)
{
    unsigned block;
    uint64_t page;
    if (!uffd_regions_find(fault->regions, event->hva, &block, &page)) {
        return error_set(error, ERROR_FAILED,
                         "a fault at 0x%" G_GINT64_MODIFIER
                         "x, which is in no RAM block",
                         event->hva);
    }
    fault->tally.faults++;
    bool ask;
    PageState *state = &migrate_pages_states(fault->pages, block)[page];
    MigrateWaiters *waiters = migrate_pages_waiters(fault->pages);
    migrate_waiters_note(waiters, block, page, now);
    if (page_state_want(state, &ask) == PAGE_PRESENT) {
        bool ok = migrate_pages_map(fault->pages, block, page, error);
        uint64_t since;
        if (migrate_waiters_settle(waiters, block, page, &since)) {
            histogram_add(&fault->tally.latency, fd_now_ns() - since);
        }
        return ok;
    }
    if (ask) {
        WirePage question = {.type = WIRE_FETCH, .block = block, .page = page};
        wire_page_encode(&question, &fault->questions[(*n_questions)++]);
    }
    return true;
}

/* QEMU goes on as soon as its announcement is read, so all of this is about
 * pages that it has not got yet; its range may reach over the block's end. */
static void
take_discard(MigrateFault *fault, const UffdEvent *event)
{
    unsigned block;
    uint64_t page;
    if (uffd_regions_find(fault->regions, event->hva, &block, &page)) {
        uint64_t left =
            migrate_pages_ram(fault->pages)->blocks[block].pages - page;
        migrate_pages_discard(fault->pages, block, page,
                              MIN(event->bytes / PAGE_BYTES, left),
                              &fault->tally);
    }
}

static void
lose_urgent(MigrateFault *fault, GError *why)
{
    fault->urgent = NULL;
    fault->held = 0;
    if (migrate_pages_complete(fault->pages)) {
        g_error_free(why); /* the source is done, and so may leave */
        return;
    }
    if (!error_is(why, ERROR_VM_GONE)) {
        g_prefix_error(&why, "the urgent connection is lost: ");
    }
    migrate_alarm_raise(fault->alarm, why);
}

static void
fault_ask(MigrateFault *fault, unsigned n_questions)
{
    GError *why = NULL;
    if (n_questions == 0 || !fault->urgent) {
        return; /* they are noted, and asked when there is a connection */
    }
    atomic_fetch_add_explicit(&fault->demanded, n_questions,
                              memory_order_relaxed);
    if (fault->unanswered == 0) {
        atomic_store_explicit(&fault->waits_since, fd_now_ns(),
                              memory_order_relaxed);
    }
    fault->unanswered += n_questions;
    if (!wire_link_write(fault->urgent, fault->questions,
                         n_questions * sizeof fault->questions[0], &why)) {
        lose_urgent(fault, why);
    }
}

/* False when the descriptor cannot be read. That QEMU has ended it does not say
 * (uffd-reader.h); calls on it do, and QEMU's pidfd. */
static bool
read_events(MigrateFault *fault, GError **error)
{
    int n = uffd_reader_read(fault->uffd, fault->events);
    if (n < 0) {
        return error_set(error, ERROR_VM_GONE,
                         "the userfaultfd is dead: QEMU has ended");
    }
    uint64_t now = fd_now_ns();
    unsigned n_questions = 0;
    for (int i = 0; i < n; i++) {
        GError *why = NULL;
        if (fault->events[i].kind == UFFD_EVENT_IS_REMOVE) {
            take_discard(fault, &fault->events[i]);
        } else if (fault->events[i].kind == UFFD_EVENT_IS_FAULT &&
                   !take_fault(fault, &fault->events[i], now, &n_questions,
                               &why)) {
            migrate_alarm_raise(fault->alarm, why);
        }
    }
    fault_ask(fault, n_questions);
    return true;
}

/* Pages that are wanted and nobody's, because the stream that was filling them
 * broke. One walk over all states per broken stream: rare, and cheaper than a
 * list that would have to be kept in step with them. */
static void
ask_for_orphans(MigrateFault *fault)
{
    const MigrateRam *ram = migrate_pages_ram(fault->pages);
    eventfd_t ignored;
    unsigned n_questions = 0;
    eventfd_read(migrate_pages_orphans_fd(fault->pages), &ignored);
    for (unsigned block = 0; block < ram->n_blocks; block++) {
        PageState *states = migrate_pages_states(fault->pages, block);
        for (uint64_t page = 0; page < ram->blocks[block].pages; page++) {
            bool to_ask = false;
            uint8_t state =
                atomic_load_explicit(&states[page], memory_order_relaxed);
            if ((state & ~PAGE_DISCARDED) == (PAGE_ABSENT | PAGE_WANTED)) {
                page_state_want(&states[page], &to_ask);
            }
            if (!to_ask) {
                continue;
            }
            WirePage question = {
                .type = WIRE_FETCH, .block = block, .page = page};
            wire_page_encode(&question, &fault->questions[n_questions++]);
            if (n_questions == G_N_ELEMENTS(fault->questions)) {
                fault_ask(fault, n_questions);
                n_questions = 0;
            }
        }
    }
    fault_ask(fault, n_questions);
}

/* Stores the answer at AT if it is whole; returns its length, 0 if more bytes
 * are needed, -1 with ERROR if it is nonsense or QEMU is gone. */
static ssize_t
take_answer(MigrateFault *fault, const uint8_t *at, size_t length,
            GError **error)
{
    WirePageBytes bytes;
    WirePage page;
    if (length < sizeof bytes) {
        return 0;
    }
    memcpy(&bytes, at, sizeof bytes);
    wire_page_decode(&bytes, &page);
    const MigrateRam *ram = migrate_pages_ram(fault->pages);
    if ((page.type != WIRE_PAGE && page.type != WIRE_ZERO) ||
        page.block >= ram->n_blocks ||
        page.page >= ram->blocks[page.block].pages) {
        error_set(error, ERROR_PROTOCOL,
                  "an invalid message on the urgent connection: type %u, "
                  "block %u",
                  page.type, page.block);
        return -1;
    }
    if (page.type == WIRE_ZERO) {
        return migrate_pages_zero(fault->pages, page.block, page.page,
                                  &fault->tally, error)
                   ? (ssize_t)sizeof bytes
                   : -1;
    }
    if (length < ANSWER_BYTES) {
        return 0;
    }
    return migrate_pages_store(fault->pages, page.block, page.page,
                               at + sizeof bytes, &fault->tally, error)
               ? (ssize_t)ANSWER_BYTES
               : -1;
}

static bool
read_answers(MigrateFault *fault, GError **error)
{
    ssize_t n = wire_link_read_some(fault->urgent, fault->answers + fault->held,
                                    ANSWERS_ROOM - fault->held, error);
    if (n < 0) {
        return false;
    }
    fault->held += (size_t)n;
    size_t done = 0;
    ssize_t used = 0;
    while ((used = take_answer(fault, fault->answers + done,
                               fault->held - done, error)) > 0) {
        done += (size_t)used;
        fault->unanswered -= fault->unanswered > 0;
    }
    fault->held -= done;
    memmove(fault->answers, fault->answers + done, fault->held);
    if (done > 0) {
        atomic_store_explicit(&fault->waits_since,
                              fault->unanswered > 0 ? fd_now_ns() : 0,
                              memory_order_relaxed);
    }
    return used == 0;
}

static void
wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0 && errno == EINTR) {
    }
}

/* False if the thread is to end. */
static bool
fault_obey(MigrateFault *fault)
{
    eventfd_t ignored;
    eventfd_read(fault->call, &ignored);
    if (atomic_load(&fault->ending)) {
        return false;
    }
    sem_post(&fault->still);
    wait_for(&fault->go_on);
    return true;
}

static gpointer
fault_run(gpointer data)
{
    MigrateFault *fault = data;
    migrate_priority_urgent("fault");
    for (;;) {
        struct pollfd fds[4] = {
            {.fd = fault->uffd, .events = POLLIN},
            {.fd = fault->call, .events = POLLIN},
            {.fd = fault->urgent ? wire_link_fd(fault->urgent) : -1,
             .events = POLLIN},
            {.fd = migrate_pages_orphans_fd(fault->pages), .events = POLLIN},
        };
        GError *why = NULL;
        /* With TLS an answer may have been taken from the socket already. */
        bool pending = fault->urgent && wire_link_has_pending(fault->urgent);
        if (poll(fds, 4, pending ? 0 : -1) < 0) {
            continue;
        }
        if (fds[1].revents) {
            if (!fault_obey(fault)) {
                return NULL;
            }
            continue;
        }
        if (fds[0].revents && !read_events(fault, &why)) {
            fault->uffd = -1;
            migrate_alarm_raise(fault->alarm, g_steal_pointer(&why));
        }
        if ((fds[2].revents || pending) && fault->urgent &&
            !read_answers(fault, &why)) {
            lose_urgent(fault, why);
        }
        if (fds[3].revents) {
            ask_for_orphans(fault);
        }
    }
}

static void
free_fault(MigrateFault *fault)
{
    fd_clear(&fault->call);
    sem_destroy(&fault->still);
    sem_destroy(&fault->go_on);
    g_free(fault);
}

MigrateFault *
migrate_fault_start(int uffd, const UffdRegions *regions, WireLink *urgent,
                    MigratePages *pages, MigrateAlarm *alarm)
{
    MigrateFault *fault = g_new0(MigrateFault, 1);
    GError *why = NULL;
    fault->uffd = uffd;
    fault->regions = regions;
    fault->urgent = urgent;
    fault->pages = pages;
    fault->alarm = alarm;
    sem_init(&fault->still, 0, 0);
    sem_init(&fault->go_on, 0, 0);
    fault->call = eventfd(0, EFD_CLOEXEC);
    if (fault->call < 0) {
        error_set_errno(&why, errno, "a descriptor for the fault thread");
    } else {
        fault->thread = thread_start("fault", fault_run, fault, &why);
    }
    if (!fault->thread) {
        migrate_alarm_raise(alarm, why);
        free_fault(g_steal_pointer(&fault));
    }
    return fault;
}

void
migrate_fault_pause(MigrateFault *fault)
{
    if (fault) {
        eventfd_write(fault->call, 1);
        wait_for(&fault->still);
    }
}

/* What was asked of the other connection is answered by nobody. */
void
migrate_fault_go_on(MigrateFault *fault, WireLink *urgent)
{
    if (!fault) {
        return;
    }
    fault->urgent = urgent;
    fault->held = 0;
    fault->unanswered = 0;
    atomic_store(&fault->waits_since, 0);
    sem_post(&fault->go_on);
}

void
migrate_fault_stop(MigrateFault *fault, MigrateTally *tally)
{
    if (!fault) {
        return;
    }
    atomic_store(&fault->ending, true);
    eventfd_write(fault->call, 1);
    g_thread_join(fault->thread);
    if (tally) {
        migrate_tally_merge(tally, &fault->tally);
    }
    free_fault(fault);
}

uint64_t
migrate_fault_waits_since(const MigrateFault *fault)
{
    return fault ? atomic_load_explicit(&fault->waits_since,
                                        memory_order_relaxed)
                 : 0;
}

uint64_t
migrate_fault_demanded(const MigrateFault *fault)
{
    return fault ? atomic_load_explicit(&fault->demanded,
                                        memory_order_relaxed)
                 : 0;
}

void
migrate_fault_count(const MigrateFault *fault, MigrateTally *tally)
{
    if (fault) {
        migrate_tally_add(tally, &fault->tally);
    }
}
