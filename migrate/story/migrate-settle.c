/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Letting go at the destination: see migrate-settle.h.
 */
#include "migrate/story/migrate-settle.h"

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-account.h"
#include "migrate/drive/migrate-arm.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/story/migrate-remainder.h"

#define AGAIN_MS 3000

/* BYE carries what only the source could measure; its absence is no harm. The
 * source leaves behind it, and a connection that this breaks may be heard of
 * first: that says nothing about BYE. */
static GByteArray *
wait_for_bye(MigrateSession *session)
{
    uint64_t deadline = fd_deadline_ns(session->patience.bye_ms);
    GByteArray *bye = NULL;
    while (!bye && !session->peer.control_lost &&
           !session->operator.interrupted && fd_now_ns() < deadline &&
           (!session->guest.gone || session->guest.ended)) {
        g_autoptr(GError) why = NULL;
        bye = migrate_wait_expect(session, WIRE_FRAME_BYE,
                                  session->patience.bye_ms, &why);
        if (!bye) {
            g_debug("%s", why->message);
        }
    }
    return bye;
}

static bool
tell_last(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) ended =
        session->guest.ended ? migrate_ending_payload(session) : NULL;
    return migrate_mailbox_tell(
        session, ended ? WIRE_FRAME_ENDED : WIRE_FRAME_DONE, ended, error);
}

/* The source may go when it has heard this; BYE says that it did. */
static bool
say_done(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    uint64_t downtime_us = 0;
    g_autoptr(GByteArray) bye = NULL;
    if (tell_last(session, &why)) {
        bye = wait_for_bye(session);
    }
    bool told = bye && wire_bye_decode(bye, &downtime_us, &why);
    if (told) {
        /* So that the source need not wait for us to come back. */
        migrate_mailbox_tell(session, WIRE_FRAME_DONE, NULL, NULL);
        session->report.downtime_ms = (double)downtime_us / 1000.0;
    }
    migrate_outage_destination(session);
    /* While it still listens for this; the guest is served meanwhile. */
    told = told || migrate_rejoin_say_done(session, AGAIN_MS);
    session->peer.control_lost = !told;
    return told;
}

/* All is done here, and the source may not know: its process would hold the
 * guest's old memory for ever. */
static void
insist_on_done(MigrateSession *session)
{
    session->operator.settled = true;
    session->peer.control_lost =
        !migrate_rejoin_say_done(session,
                                 session->options.peer_timeout_s * 1000);
    if (session->peer.control_lost) {
        g_warning("the source at %s could not be told that it is no longer "
                  "needed; if 'postlude send' still runs there, end it with "
                  "'kill -9', and let the guest's memory go with 'postlude "
                  "send --give-up'",
                  session->options.address);
    }
}

static void
stop_helping(MigrateSession *session)
{
    g_clear_pointer(&session->relay, migrate_relay_stop);
    migrate_huge_finish(session->destination.huge);
}

static bool
look_at(MigrateSession *session, const MigrateBlock *block,
        CollapseCoverage *coverage)
{
    MigrateAttendant *attendant = session->destination.attendant;
    return attendant ? migrate_attendant_coverage(attendant, block->hva,
                                                  block->bytes, coverage, NULL)
                     : collapse_account_range(session->guest.pid, block->hva,
                                              block->bytes, coverage, NULL);
}

static uint64_t
huge_bytes_now(MigrateSession *session)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        CollapseCoverage coverage;
        if (look_at(session, block, &coverage)) {
            sum += coverage.huge_bytes;
        }
    }
    return sum;
}

static void
count(MigrateSession *session)
{
    MigrateReport *report = &session->report;
    const MigrateTally *tally = &session->destination.tally;
    report->pages.total = session->guest.ram->pages;
    report->pages.demand = tally->demand_pages;
    report->pages.pushed = tally->pushed_pages;
    report->pages.zero = tally->zero_pages;
    report->pages.duplicate = tally->duplicates;
    report->pages.discarded = tally->discarded_pages;
    report->fault_latency = tally->latency;
    report->huge.sweep_ns += migrate_huge_ns(session->destination.huge);
    report->huge.sweep_cpu_ns =
        migrate_huge_cpu_ns(session->destination.huge);
    uint64_t device = session->peer.device
                          ? wire_link_bytes_received(session->peer.device)
                          : 0;
    report->device_bytes = session->past.device_bytes + device;
    report->bytes_received = session->past.bytes_received + device;
    report->downtime_unknown =
        session->destination.start_guest && report->downtime_ms <= 0;
}

/* Nobody is helped any more; only the source is to hear of it. */
static bool
settle_ended(MigrateSession *session, GError **error)
{
    session->operator.settled = true;
    if (session->destination.fault) {
        migrate_fault_stop(g_steal_pointer(&session->destination.fault),
                           &session->destination.tally);
    }
    bool told = say_done(session);
    migrate_ram_unmap(session->guest.ram);
    if (session->destination.huge) {
        stop_helping(session);
        count(session);
    }
    if (!told) {
        g_message("the guest has ended (%s), and the source is to let its "
                  "memory go: looking for it for %d s; a signal ends that",
                  session->guest.ended_words, session->options.peer_timeout_s);
        insist_on_done(session);
    }
    return migrate_ending_conclude(session, error);
}

bool
migrate_settle_destination(MigrateSession *session, GError **error)
{
    if (session->guest.ended) {
        return settle_ended(session, error);
    }
    g_autoptr(GError) why = NULL;
    migrate_record_or_warn(session); /* that all is here, and when */
    bool told = say_done(session);
    stop_helping(session);
    session->report.huge.before_bytes = huge_bytes_now(session);
    if (!migrate_arm_release(session, &why)) {
        g_warning("the userfaultfd inside QEMU is still open, which does no "
                  "harm: %s",
                  why->message);
    }
    /* Our view would keep the folios from being QEMU's alone. */
    migrate_ram_unmap(session->guest.ram);
    if (session->options.resume) {
        migrate_qemu_clean(session);
    }
    migrate_remainder_sweep(session);
    count(session);
    session->report.huge.after_bytes = huge_bytes_now(session);
    if (!told) {
        session->operator.interrupted = false; /* it meant the sweep */
        insist_on_done(session);
    }
    return true;
}
