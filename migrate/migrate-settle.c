/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Letting go at the destination: see migrate-settle.h.
 */
#include "migrate/migrate-settle.h"

#include <errno.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-account.h"
#include "migrate/migrate-arm.h"

#define BYE_MS 5000
#define TRIES 20

/* BYE carries what only the source could measure; its absence is no harm. The
 * source leaves behind it, and a connection that this breaks may be heard of
 * first: that says nothing about BYE. */
static GByteArray *
wait_for_bye(MigrateSession *session)
{
    uint64_t deadline = fd_deadline_ns(BYE_MS);
    GByteArray *bye = NULL;
    while (!bye && !session->control_lost && !session->qemu_gone &&
           fd_now_ns() < deadline) {
        g_autoptr(GError) why = NULL;
        bye = migrate_session_expect(session, WIRE_FRAME_BYE, BYE_MS, &why);
        if (!bye) {
            g_debug("%s", why->message);
        }
    }
    return bye;
}

static void
say_done(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    uint64_t downtime_us = 0;
    if (!migrate_session_tell(session, WIRE_FRAME_DONE, NULL, &why)) {
        g_warning("the source was not told that it is no longer needed: %s",
                  why->message);
        return;
    }
    g_autoptr(GByteArray) bye = wait_for_bye(session);
    if (bye && wire_bye_decode(bye, &downtime_us, NULL)) {
        session->report.downtime_ms = (double)downtime_us / 1000.0;
    }
}

static void
stop_filling(MigrateSession *session)
{
    for (unsigned i = 0; i < session->n_streams; i++) {
        if (session->destination.fill[i]) {
            migrate_fill_stop(
                g_steal_pointer(&session->destination.fill[i]),
                &session->destination.tally);
        }
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
    migrate_huge_finish(session->destination.huge);
}

static uint64_t
huge_bytes_now(MigrateSession *session)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        CollapseCoverage coverage;
        if (collapse_account_range(session->pid, block->hva, block->bytes,
                                   &coverage, NULL)) {
            sum += coverage.huge_bytes;
        }
    }
    return sum;
}

/* After a call that copied, nine times its length of peace: the guest keeps
 * nine tenths of its pace. Installing an entry takes microseconds: no pause. */
static void
pace(uint64_t call_ns)
{
    if (call_ns > 100000) {
        uint64_t rest = MIN(call_ns * 9, UINT64_C(100000000));
        struct timespec pause = {.tv_nsec = (long)rest};
        nanosleep(&pause, NULL);
    }
}

static void
sweep_extent(MigrateSession *session, uint64_t hva)
{
    int failed = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t before = fd_now_ns();
        failed = collapse_target_extent(session->destination.target, hva);
        uint64_t took = fd_now_ns() - before;
        session->report.huge.sweep_ns += took;
        if (failed != EAGAIN) {
            pace(took);
            break;
        }
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
    if (failed) {
        collapse_errors_add(&session->report.huge.failed, failed);
    }
}

/* Extents that can be huge: whole, aligned, and with data now or when the
 * folios were laid (one of those may have been emptied before the stop). */
static bool
is_eligible(const MigrateSession *session, unsigned block, uint32_t extent)
{
    const MigrateBlock *b = &session->ram->blocks[block];
    return b->aligned &&
           migrate_ram_extent_pages(b, extent) == PAGES_PER_EXTENT &&
           (session->destination.wanted[block][extent] ||
            migrate_pages_is_laid(session->destination.pages, block, extent));
}

/* What is not huge yet: extents that were small, and those that a pinned page
 * kept from collapsing. */
static void
sweep_rest(MigrateSession *session)
{
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        for (uint32_t e = 0; e < block->extents; e++) {
            if (!is_eligible(session, i, e)) {
                continue;
            }
            session->report.huge.eligible_bytes += EXTENT_BYTES;
            if (!migrate_pages_is_laid(session->destination.pages, i, e)) {
                session->report.huge.small_extents++;
            }
            /* At the limit, a sweep would take what QEMU needs to live. */
            if (!session->destination.at_limit &&
                !migrate_huge_is(session->destination.huge, i, e)) {
                sweep_extent(session, block->hva + e * EXTENT_BYTES);
            }
        }
    }
}

static void
count(MigrateSession *session)
{
    MigrateReport *report = &session->report;
    const MigrateTally *tally = &session->destination.tally;
    report->pages.total = session->ram->pages;
    report->pages.demand = tally->demand_pages;
    report->pages.pushed = tally->pushed_pages;
    report->pages.zero = tally->zero_pages;
    report->pages.duplicate = tally->duplicates;
    report->fault_latency = tally->latency;
    report->huge.sweep_ns += migrate_huge_ns(session->destination.huge);
    report->huge.sweep_cpu_ns =
        migrate_huge_cpu_ns(session->destination.huge);
    for (unsigned i = 0; i < session->n_streams; i++) {
        report->bytes_received += wire_link_bytes_received(session->bulk[i]);
    }
    report->bytes_received += wire_link_bytes_received(session->urgent) +
                              wire_link_bytes_received(session->device);
    report->device_bytes = wire_link_bytes_received(session->device);
}

bool
migrate_settle_destination(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    say_done(session);
    stop_filling(session);
    session->report.huge.before_bytes = huge_bytes_now(session);
    if (!migrate_arm_release(session, &why)) {
        g_warning("the userfaultfd inside QEMU is still open, which does no "
                  "harm: %s",
                  why->message);
    }
    /* Our view would keep the folios from being QEMU's alone. */
    migrate_ram_unmap(session->ram);
    sweep_rest(session);
    count(session);
    session->report.huge.after_bytes = huge_bytes_now(session);
    return true;
}
