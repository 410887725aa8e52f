/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Following QEMU at the destination: see migrate-follow-destination.h.
 *
 * A source that is lost (not one that says ABORT) before the guest ran here is
 * answered by ending this QEMU. Its device state may be complete already, and
 * then the driver would start a guest whose memory nobody sends, and end the
 * source's QEMU with the only copy of it. A destination that dies before it
 * has taken over is what every driver is made for: the guest stays on, or
 * goes back to, the source.
 */
#include "migrate/drive/migrate-follow-destination.h"

#include "base/error.h"
#include "base/fd.h"
#include "migrate/drive/migrate-put-down.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"

#define LOOK_MS 1000
#define PROGRESS_MS 200

static bool
get_ready(MigrateSession *session, GError **error)
{
    session->guest.capability =
        migrate_recheck_guest(session, error)
            ? migrate_capability_set_following(session->guest.qmp, false, error)
            : NULL;
    if (!session->guest.capability ||
        !migrate_mailbox_tell(session, WIRE_FRAME_READY, NULL, error)) {
        return false;
    }
    /* Once the driver knows, it may start the guest at any moment. */
    if (!migrate_commit(session, error)) {
        return false;
    }
    if (session->options.on_ready && !session->options.on_ready(error)) {
        migrate_commit_take_back(session); /* it does not know */
        return false;
    }
    g_message("armed: QEMU's migration to this QEMU may begin; this process "
              "runs until all memory of the guest has arrived, or QEMU has "
              "ended");
    migrate_session_step(session, "ready");
    return true;
}

static bool
take_run(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) run =
        migrate_wait_expect(session, WIRE_FRAME_RUN, 0, error);
    session->destination.follow.run_heard =
        run && wire_run_decode(run, &session->destination.start_guest, error);
    return session->destination.follow.run_heard;
}

/* The source's next word, which is there: EXTENTS, STOPPED, RUN. */
static bool
take_word(MigrateSession *session, GError **error)
{
    const MigrateFrame *next = g_queue_peek_head(&session->peer.frames);
    if (next->type == WIRE_FRAME_EXTENTS &&
        !session->destination.follow.final_heard) {
        session->destination.follow.final_heard =
            migrate_intake_hear_extents(
                session, true, session->options.link_timeout_s * 1000, error);
        return session->destination.follow.final_heard;
    }
    if (next->type == WIRE_FRAME_STOPPED) {
        g_autoptr(GByteArray) stopped =
            migrate_wait_expect(session, WIRE_FRAME_STOPPED, 0, error);
        session->report.switched_ns = fd_now_ns();
        migrate_session_step(session, "stopped");
        return stopped != NULL;
    }
    return take_run(session, error);
}

static bool
has_word(MigrateSession *session)
{
    return !g_queue_is_empty(&session->peer.frames);
}

/* It may have begun to use its memory; that it was stopped since changes nothing
 * in that. */
static bool
is_alive_here(const MigrateSession *session)
{
    return session->guest.resumed || session->destination.ran ||
           (session->destination.follow.run_heard &&
            !session->destination.start_guest);
}

/* Nothing more may come of a guest that is not here yet. If it has been started
 * meanwhile, it needs the source instead. */
static void
end_qemu(MigrateSession *session, const GError *why)
{
    if (session->destination.follow.end_told) {
        return; /* QEMU is about to end */
    }
    if (migrate_put_down(session)) {
        session->destination.follow.end_told = true;
        g_warning("%s; the guest did not run here yet, so this QEMU (process "
                  "%d) was ended, and the guest stays on the source",
                  why->message, (int)session->guest.pid);
    }
}

static bool
report_end(MigrateSession *session, const GError *why, GError **error)
{
    if (is_alive_here(session)) {
        migrate_ending_note(session);
        return true;
    }
    session->past_no_return = false;
    g_propagate_prefixed_error(error, g_error_copy(why),
                               "QEMU ended here before the guest ran: ");
    return false;
}

/* The guest runs here, or is about to: back to the source, however long it
 * takes. Its word replaces what was heard and what was not. */
static bool
find_back(MigrateSession *session, const GError *why, GError **error)
{
    g_autoptr(GError) failed = NULL;
    if (!migrate_rejoin(session, why, &failed)) {
        return report_end(session, failed, error);
    }
    session->destination.follow.final_heard = true;
    session->destination.follow.run_heard = true;
    migrate_intake_mark_holes(session);
    return true;
}

/* What went wrong after READY (WHY). False only if QEMU has ended and the guest
 * never ran here. */
static bool
survive(MigrateSession *session, const GError *why, GError **error)
{
    if (error_is(why, ERROR_VM_GONE) || session->guest.gone) {
        return report_end(session, why, error);
    }
    if (error_is(why, ERROR_RETRY)) {
        return true;
    }
    if (session->peer.aborted) {
        g_message("%s; this process stays armed until QEMU ends; libvirt, "
                  "or the operator who started that QEMU, has to end it",
                  why->message);
        return true;
    }
    if (is_alive_here(session) || session->destination.follow.run_heard) {
        return find_back(session, why, error);
    }
    end_qemu(session, why);
    return true;
}

static bool
goes_on(MigrateSession *session)
{
    return is_alive_here(session) || has_word(session);
}

bool
migrate_follow_destination_arrive(MigrateSession *session, GError **error)
{
    if (!get_ready(session, error)) {
        return false;
    }
    migrate_intake_start_filling(session);
    /* A source whose QEMU died without having said "completed" holds the memory
     * for a guest that may be started here, and takes silence for a loss. */
    int look_ms = MIN(LOOK_MS, session->options.link_timeout_s * 1000 / 3);
    while (!is_alive_here(session) && !session->guest.ended &&
           !session->destination.follow.run_heard) {
        g_autoptr(GError) why = NULL;
        bool ok =
            migrate_wait(session, goes_on, look_ms, "QEMU's migration", &why) &&
            (is_alive_here(session) || take_word(session, &why));
        migrate_intake_tell_progress(session);
        if (!ok && !survive(session, why, error)) {
            return false;
        }
    }
    return true;
}

static void
announce(MigrateSession *session)
{
    session->destination.follow.announced = true;
    migrate_record_or_warn(session);
    migrate_session_step(session, "running");
    migrate_mailbox_tell(session, WIRE_FRAME_RUNNING, NULL, NULL);
    migrate_qemu_restore(session);
}

static bool
all_here(MigrateSession *session)
{
    return migrate_pages_complete(session->destination.pages);
}

static bool
has_to_announce(const MigrateSession *session)
{
    return is_alive_here(session) && !session->destination.follow.announced;
}

static bool
has_work(MigrateSession *session)
{
    return has_word(session) || all_here(session) || has_to_announce(session);
}

/* Takes what has come, waits a little for more. False if the connections are
 * lost, or QEMU is. */
static bool
step(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool final_before = session->destination.follow.final_heard;
    if (session->guest.gone) {
        return error_set(error, ERROR_VM_GONE, "QEMU has ended");
    }
    if (has_word(session) && !take_word(session, error)) {
        return false;
    }
    if (session->destination.follow.final_heard && !final_before) {
        migrate_intake_mark_holes(session);
    }
    if (has_to_announce(session)) {
        announce(session);
    }
    if (!migrate_wait(session, has_work, PROGRESS_MS, "the last page", &why) &&
        !error_is(why, ERROR_RETRY)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    migrate_intake_tell_progress(session);
    return all_here(session) || session->peer.aborted ||
           !migrate_rejoin_is_silent(session, error);
}

static bool
runs_here(MigrateSession *session)
{
    return is_alive_here(session);
}

/* All is here, but the driver may still take the guest back, and then the
 * source must not believe that it has moved; or leave it paused for ever. */
static bool
wait_for_start(MigrateSession *session, GError **error)
{
    uint64_t deadline = fd_deadline_ns(session->patience.driver_ms);
    while (!is_alive_here(session) && fd_now_ns() < deadline) {
        g_autoptr(GError) why = NULL;
        migrate_intake_tell_progress(session);
        if (!migrate_wait(session, runs_here, LOOK_MS, "the guest to start",
                          &why) &&
            (session->guest.gone || error_is(why, ERROR_VM_GONE))) {
            return report_end(session, why, error);
        }
    }
    if (!session->destination.follow.announced) {
        announce(session);
    }
    return true;
}

bool
migrate_follow_destination_postcopy(MigrateSession *session, GError **error)
{
    if (session->guest.ended) {
        return true;
    }
    if (session->destination.follow.final_heard) {
        migrate_intake_mark_holes(session);
    }
    migrate_rejoin_begin(session);
    while (!all_here(session) && !session->guest.ended) {
        g_autoptr(GError) why = NULL;
        if (!step(session, &why) && !survive(session, why, error)) {
            return false;
        }
    }
    if (session->guest.ended) {
        return true;
    }
    migrate_report_arrived(&session->report);
    return wait_for_start(session, error);
}
