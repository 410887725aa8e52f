/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driving QEMU ourselves: see migrate-own.h. The switchover is in
 * migrate-handover.c and migrate-arrival.c.
 */
#include "migrate/drive/migrate-own.h"

#include "base/error.h"
#include "migrate/drive/migrate-arrival.h"
#include "migrate/drive/migrate-begun.h"
#include "migrate/drive/migrate-handover.h"
#include "migrate/drive/migrate-start.h"
#include "migrate/drive/migrate-undo.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/link/migrate-readmit.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-wait.h"

#define PROGRESS_MS 200

/* Until RUN is said, and recorded, the guest is here. */
static bool
is_too_late(MigrateSession *session, GError **why)
{
    return false;
}

static void
forbid_nothing(MigrateSession *session)
{
}

static bool
was_passed_unseen(MigrateSession *session, GError **error)
{
    session->source.unasked = !migrate_begun_ask(session, error);
    return false;
}

/* From here on the guest's memory is half here, half there, and this process
 * holds the only copy of the rest: whatever breaks, it stays. */
static bool
wait_for_last_page(MigrateSession *session, GError **error)
{
    bool done = false;
    while (!done) {
        if (!migrate_readmit_wait(session, migrate_mailbox_has_frame,
                                  "the last page to arrive", error)) {
            return false;
        }
        done = session->source.complete ||
               migrate_readmit_heard(session, WIRE_FRAME_DONE);
    }
    if (!session->guest.ended) {
        migrate_report_arrived(&session->report);
    }
    return true;
}

static bool
all_here(MigrateSession *session)
{
    return migrate_pages_complete(session->destination.pages);
}

/* After the point of no return there is no giving up by ourselves: only when
 * QEMU is gone is there nobody left to wait for. */
static void
own_survive(MigrateSession *session, const GError *why)
{
    bool gone = error_is(why, ERROR_VM_GONE) || session->guest.gone;
    if (!gone && migrate_rejoin(session, why, NULL)) {
        migrate_intake_mark_holes(session);
    } else {
        migrate_ending_note(session);
    }
}

/* False if the connections are lost, or QEMU is. */
static bool
wait_a_little(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (session->guest.gone) {
        return error_set(error, ERROR_VM_GONE, "QEMU has ended");
    }
    if (!migrate_wait(session, all_here, PROGRESS_MS, "the last page", &why) &&
        !error_is(why, ERROR_RETRY)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    migrate_intake_tell_progress(session);
    return all_here(session) || !migrate_rejoin_is_silent(session, error);
}

static bool
take_last_page(MigrateSession *session, GError **error)
{
    if (session->guest.ended) {
        return true; /* who took over found QEMU gone */
    }
    if (!migrate_mailbox_tell(session, WIRE_FRAME_RUNNING, NULL, NULL)) {
        g_warning("the source could not be told that the guest runs here");
    }
    /* Not earlier: the guest would stand still meanwhile, and until it is done
     * the source answers for the holes. */
    migrate_intake_mark_holes(session);
    migrate_qemu_restore(session);
    migrate_rejoin_begin(session);
    while (!all_here(session) && !session->guest.ended) {
        g_autoptr(GError) why = NULL;
        if (!wait_a_little(session, &why)) {
            own_survive(session, why);
        }
    }
    if (!session->guest.ended) {
        migrate_report_arrived(&session->report);
    }
    return true;
}

static bool
has_run(const MigrateSession *session)
{
    return true;
}

/* The dead helper did not say "cont", so a guest that runs here was started by
 * somebody else, while its source has taken it back or is about to. It cannot
 * be helped, and it is not made worse. */
static bool
check_not_started(MigrateSession *session, bool known, GError **error)
{
    g_autofree char *state = NULL;
    if (known || session->destination.starting ||
        (!session->guest.qmp && !migrate_qemu_open(session, NULL)) ||
        !(state = qmp_qemu_run_state(session->guest.qmp, NULL)) ||
        !g_str_equal(state, "running")) {
        return true;
    }
    return error_set(error, ERROR_STATE,
                     "the guest in QEMU %d was started, not by postlude, "
                     "before the source had handed it over; end that QEMU, "
                     "and look for the guest on the source",
                     (int)session->guest.pid);
}

static bool
go_on(MigrateSession *session, GError **error)
{
    return session->past_no_return ||
           ((session->guest.qmp || migrate_qemu_open(session, error)) &&
            migrate_start_guest(session, error));
}

const MigrateDriver migrate_own = {
    .open = migrate_handover_open,
    .freeze = migrate_handover_freeze,
    .let_go = migrate_handover_let_go,
    .carry = migrate_handover_carry,
    .is_too_late = is_too_late,
    .commit = migrate_handover_commit,
    .source_postcopy = wait_for_last_page,
    .source_undo = migrate_undo_switchover,
    .forbid = forbid_nothing,
    .was_passed_unseen = was_passed_unseen,
    .wait_running = migrate_handover_wait_running,
    .arrive = migrate_arrival_run,
    .destination_postcopy = take_last_page,
    .destination_undo = migrate_arrival_undo,
    .has_run = has_run,
    .check_not_started = check_not_started,
    .go_on = go_on,
};
