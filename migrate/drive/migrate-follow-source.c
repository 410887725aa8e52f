/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Following QEMU at the source: see migrate-follow-source.h.
 *
 * What may be believed? QEMU's source says "completed" only after the
 * destination's QEMU has said over the return path that it loaded everything.
 * From then on the driver may start the guest there at any moment, so this
 * process must stay; until then it may go, but only when it is sure that
 * "completed" will not come: a guest that is started there without us would
 * wait for its memory for ever. So every way out before that point goes
 * through follow_source_retreat(): cancel, ask until QEMU says that it is idle,
 * and switch x-ignore-shared off, which QEMU refuses while a migration runs. A
 * migration that is started later meets a destination whose capability is on,
 * and QEMU refuses that by itself.
 */
#include "migrate/drive/migrate-follow-source.h"

#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/drive/migrate-driver.h"
#include "migrate/drive/migrate-handover.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/link/migrate-readmit.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-news.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-wait.h"

#define SAY_AGAIN_NS UINT64_C(10000000000)

typedef enum {
    RETREAT_HOME,      /* QEMU is idle, and its capability off */
    RETREAT_COMPLETED, /* too late: the destination may run the guest */
    RETREAT_GONE,      /* QEMU has ended without a word */
} Retreat;

static bool
has_begun(MigrateSession *session)
{
    return session->guest.migration && !migrate_news_status_is(session, "none");
}

/* The driver lets it go on by itself, a millisecond after "pre-switchover". */
static bool
is_final(MigrateSession *session)
{
    return migrate_news_status_is(session, "pre-switchover") ||
           migrate_news_status_is(session, "device") ||
           migrate_news_has_ended(session);
}

bool
migrate_follow_source_open(MigrateSession *session, GError **error)
{
    migrate_outlet_make_order(session);
    if (!migrate_recheck_guest(session, error) ||
        !migrate_ram_map(session->guest.ram, false, error)) {
        return false;
    }
    migrate_holder_prepare(session);
    session->guest.capability =
        migrate_capability_set_following(session->guest.qmp, true, error);
    if (!session->guest.capability) {
        return false;
    }
    /* The driver may act before we hear READY: the destination says it to him
     * at the same time. */
    session->guest.too_early = false;
    if (!migrate_mailbox_tell(session, WIRE_FRAME_SWITCHOVER, NULL, error)) {
        return false;
    }
    g_autoptr(GByteArray) ready = migrate_wait_expect(
        session, WIRE_FRAME_READY, session->patience.ready_ms, error);
    if (ready) {
        g_message("the destination is armed: QEMU's migration can be started");
        migrate_session_step(session, "ready");
    }
    return ready != NULL;
}

/* The driver sets QEMU's capabilities right before he starts it, and cannot
 * change them afterwards. */
static bool
check_capability(MigrateSession *session, const char *name, GError **error)
{
    bool on = false;
    if (!qmp_qemu_get_capability(session->guest.qmp, name, &on, error)) {
        return false;
    }
    return on || error_set(error, ERROR_STATE,
                           "QEMU's migration was started with %s switched "
                           "off: without it postlude does not learn when "
                           "the guest's memory is final, or that it has "
                           "arrived, or QEMU sends the memory itself; "
                           "libvirt switches some of these off with "
                           "--tunnelled",
                           name);
}

static bool
report_failure(MigrateSession *session, GError **error)
{
    g_autofree char *detail = NULL;
    g_autofree char *status =
        qmp_qemu_migration_status(session->guest.qmp, &detail, NULL);
    return error_set(error, ERROR_FAILED, "QEMU's migration %s%s%s",
                     migrate_news_status_is(session, "cancelled")
                         ? "was cancelled"
                         : "failed",
                     detail ? ": " : "", detail ? detail : "");
}

bool
migrate_follow_source_freeze(MigrateSession *session, GError **error)
{
    int patience_ms = session->options.peer_timeout_s * 1000;
    return migrate_wait(session, has_begun, patience_ms,
                        "libvirt or an operator to start QEMU's "
                        "migration",
                        error) &&
           check_capability(session, "pause-before-switchover", error) &&
           check_capability(session, "return-path", error) &&
           check_capability(session, "x-ignore-shared", error) &&
           migrate_recheck_guest(session, error) &&
           migrate_wait(session, is_final, -1, "QEMU to reach the switchover",
                        error) &&
           (!migrate_news_has_failed(session) ||
            report_failure(session, error));
}

/* The driver does; it is told to nobody but who watches. */
bool
migrate_follow_source_let_go(MigrateSession *session, GError **error)
{
    migrate_session_step(session, "stopped");
    return true;
}

bool
migrate_follow_source_carry(MigrateSession *session, GError **error)
{
    return migrate_wait(session, migrate_news_has_ended, -1,
                        "QEMU to hand over the device state", error) &&
           (!migrate_news_has_failed(session) ||
            report_failure(session, error));
}

/* "completed" is also what a QEMU says that was a destination once, and one
 * whose guest was taken back. Only in these two states it has given the guest
 * away. */
static bool
has_given_away(const char *migration, const char *run_state)
{
    return g_str_equal(migration, "completed") &&
           (g_str_equal(run_state, "postmigrate") ||
            g_str_equal(run_state, "finish-migrate"));
}

static bool
is_idle(const char *migration)
{
    return g_str_equal(migration, "none") ||
           g_str_equal(migration, "failed") ||
           g_str_equal(migration, "cancelled") ||
           g_str_equal(migration, "completed");
}

/* Asks QEMU to give its migration up. *OURS: nobody had done so before. */
static bool
follow_source_cancel(MigrateSession *session, const char *migration, bool *ours,
                     GError **error)
{
    if (g_str_equal(migration, "cancelling")) {
        return qmp_qemu_migrate_cancel_again(session->guest.qmp, error);
    }
    *ours = true;
    return qmp_qemu_migrate_cancel(session->guest.qmp, error);
}

/* Asks once; true if it is settled, and how. */
static bool
try_retreat(MigrateSession *session, Retreat *how, bool *ours, GError **error)
{
    g_autofree char *migration =
        qmp_qemu_migration_status(session->guest.qmp, NULL, error);
    g_autofree char *run_state =
        migration ? qmp_qemu_run_state(session->guest.qmp, error) : NULL;
    if (!run_state) {
        return false;
    }
    if (has_given_away(migration, run_state)) {
        *how = RETREAT_COMPLETED;
        return true;
    }
    if (!is_idle(migration)) {
        return follow_source_cancel(session, migration, ours, error) &&
               error_set(error, ERROR_RETRY, "its migration is '%s'",
                         migration);
    }
    *how = RETREAT_HOME;
    return qmp_qemu_set_capability(session->guest.qmp, "x-ignore-shared", false,
                                   error);
}

/* Without a time limit: what QEMU has not said cannot be known. *OURS: it was
 * us who ended QEMU's migration. */
static Retreat
follow_source_retreat(MigrateSession *session, bool *ours)
{
    uint64_t said_ns = fd_now_ns();
    for (;;) {
        Retreat how = RETREAT_GONE;
        g_autoptr(GError) why = NULL;
        session->operator.interrupted = false; /* it is what we are about */
        migrate_wait_take_in(session, NULL);
        if (migrate_news_status_is(session, "completed") &&
            !session->source.ran_again) {
            return RETREAT_COMPLETED; /* and be it gone since */
        }
        if (session->guest.gone) {
            return RETREAT_GONE;
        }
        if (try_retreat(session, &how, ours, &why)) {
            return how;
        }
        if (fd_now_ns() - said_ns > SAY_AGAIN_NS) {
            said_ns = fd_now_ns();
            g_warning("waiting for QEMU to end its migration: %s",
                      why->message);
        }
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
}

/* *WHY we wanted to stop. False: the guest stays here, and if QEMU's migration
 * had ended before we ended it, that is why. */
bool
migrate_follow_source_is_too_late(MigrateSession *session, GError **why)
{
    bool ours = false;
    switch (follow_source_retreat(session, &ours)) {
    case RETREAT_HOME:
        migrate_wait_take_in(session, NULL); /* its last event */
        if (!ours && migrate_news_has_failed(session)) {
            g_clear_error(why);
            report_failure(session, why);
        }
        return false;
    case RETREAT_GONE:
        if (is_final(session) && !migrate_news_has_failed(session)) {
            g_warning("the source's QEMU has ended without saying whether "
                      "the guest was handed over; this process holds its "
                      "memory until the destination says whether the guest "
                      "runs there");
            return true;
        }
        return false;
    default:
        g_warning("%s; but QEMU has handed the guest over already, and its "
                  "memory is needed here",
                  (*why)->message);
        return true;
    }
}

bool
migrate_follow_source_was_passed_unseen(MigrateSession *session,
                                        GError **error)
{
    bool ours, as_left = session->guest.gone;
    session->source.unasked =
        !as_left && !migrate_qemu_is_as_left(session, &as_left, error);
    if (session->source.unasked) {
        return false;
    }
    session->source.begun = as_left;
    return as_left && !session->peer.refused &&
           (session->guest.gone ||
            follow_source_retreat(session, &ours) != RETREAT_HOME);
}

/* Not told, it may be started all the same: by its driver. Then it finds that
 * we are lost, and dials again. */
static void
tell_to_run(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_run_encode(session->guest.ran, payload);
    if ((session->source.serve || migrate_driver_serve(session, &why)) &&
        migrate_mailbox_tell(session, WIRE_FRAME_RUN, payload, &why)) {
        migrate_readmit_begin(session);
        migrate_outlet_start_pushing(session);
    } else {
        g_warning("the destination could not be told that QEMU has "
                  "completed: %s",
                  why->message);
        migrate_outage_source(session);
    }
    migrate_handover_restore(session);
}

bool
migrate_follow_source_commit(MigrateSession *session, GError **error)
{
    migrate_commit_anyway(session);
    migrate_session_step(session, "completed");
    if (migrate_news_status_is(session, "completed") || !session->guest.gone) {
        tell_to_run(session);
    } else {
        /* The destination's word will tell, or its dialling again. */
        migrate_readmit_begin(session);
    }
    return true;
}

static bool
has_news(MigrateSession *session)
{
    return session->source.ran_again ||
           !g_queue_is_empty(&session->peer.frames);
}

/* The driver gave up after "completed" and started the guest here again: what
 * is in the file is not what the destination needs any more. */
static bool
report_taken_back(MigrateSession *session, GError **error)
{
    migrate_commit_take_back(session);
    return error_set(error, ERROR_STATE,
                     "the guest was started again on the source, so it has "
                     "not moved: the destination did not take it over, and "
                     "its log (with libvirt: of the domain there) says why");
}

static bool
report_refused(MigrateSession *session, GError **error)
{
    migrate_commit_take_back(session);
    g_prefix_error(error,
                   "the guest was handed over, but never ran on the "
                   "destination; start it here again ('virsh resume'): ");
    return false;
}

static void
hear_running(MigrateSession *session)
{
    if (session->guest.stopped_us && !session->source.running) {
        session->report.downtime_ms =
            (double)(g_get_real_time() - session->guest.stopped_us) / 1000.0;
    }
    session->source.running = true;
    migrate_session_step(session, "running");
}

/* True if the destination's next word was its last: DONE. */
static bool
follow_source_hear(MigrateSession *session)
{
    const MigrateFrame *next = g_queue_peek_head(&session->peer.frames);
    if (next && next->type == WIRE_FRAME_RUNNING) {
        hear_running(session);
        if (session->peer.linked && !session->source.push[0]) {
            migrate_outlet_start_pushing(session);
        }
    }
    return migrate_readmit_heard(session, WIRE_FRAME_DONE);
}

bool
migrate_follow_source_postcopy(MigrateSession *session, GError **error)
{
    bool done = false;
    while (!done) {
        bool ok = migrate_readmit_wait(session, has_news,
                                       "the last page to arrive", error);
        if (session->source.ran_again) {
            g_clear_error(error);
            return report_taken_back(session, error);
        }
        if (!ok) {
            return report_refused(session, error);
        }
        done = session->source.complete || follow_source_hear(session);
    }
    if (!session->guest.ended) {
        migrate_report_arrived(&session->report);
    }
    return true;
}

void
migrate_follow_source_undo(MigrateSession *session)
{
    g_autofree char *state = NULL;
    migrate_outlet_stop_threads(session);
    migrate_handover_restore(session);
    if (!session->guest.gone && session->guest.qmp) {
        state = qmp_qemu_run_state(session->guest.qmp, NULL);
    }
    g_message("the guest is '%s' on the source",
              session->guest.gone ? "gone" : state ? state : "not answering");
}

void
migrate_follow_source_forbid(MigrateSession *session)
{
    if (session->guest.was_idle && session->guest.too_early &&
        session->guest.migration && !migrate_news_has_ended(session) &&
        !session->guest.gone) {
        bool ours;
        follow_source_retreat(session, &ours);
    }
}
