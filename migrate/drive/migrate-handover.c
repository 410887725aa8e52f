/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover at the source: see migrate-handover.h.
 *
 * Who may run the guest? QEMU's source ends in 'completed' only after the
 * destination's QEMU has said over the return path that it loaded everything;
 * from then on it does not start the guest again by itself. The destination's
 * QEMU does not start it either, because the destination told it not to (QMP
 * "stop" while inmigrate); it does when it hears RUN from us. So at every
 * moment at most one side runs the guest, and RUN is the point of no return:
 *
 *   failed before 'completed'  QEMU itself goes on running the guest here
 *   failed after it, before RUN    we say "cont" here; nobody runs it there
 *   after RUN      the destination may run it: only its ABORT (which says that
 *                  it did not and will not) lets us say "cont" here
 */
#include "migrate/drive/migrate-handover.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/device/migrate-socket.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/link/migrate-readmit.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-news.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"

#define ENDING_MS 1000

/* All that was looked at when this process began, and may have changed since:
 * before the first thing that QEMU would feel. */
static bool
look_again(MigrateSession *session, GError **error)
{
    return migrate_recheck_idle(session, error) &&
           migrate_recheck_run_state(session, error) &&
           migrate_recheck_guest(session, error);
}

bool
migrate_handover_open(MigrateSession *session, GError **error)
{
    migrate_outlet_make_order(session);
    if (!look_again(session, error) ||
        !migrate_ram_map(session->guest.ram, false, error)) {
        return false;
    }
    migrate_holder_prepare(session);
    session->guest.capability =
        migrate_capability_set(session->guest.qmp, true, error);
    if (!session->guest.capability ||
        !migrate_mailbox_tell(session, WIRE_FRAME_SWITCHOVER, NULL, error)) {
        return false;
    }
    g_autoptr(GByteArray) ready = migrate_wait_expect(
        session, WIRE_FRAME_READY, session->patience.ready_ms, error);
    return ready != NULL;
}

/* From the first byte of "migrate" on what QEMU migrates is ours, unless QEMU
 * refused it. */
static bool
tell_to_migrate(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    session->source.begun = true;
    migrate_record_or_warn(session);
    if (qmp_qemu_migrate(session->guest.qmp, MIGRATE_SOCKET_URI, &why)) {
        return true;
    }
    session->source.begun =
        !error_is(why, ERROR_FAILED) && !error_is(why, ERROR_UNSUPPORTED);
    migrate_record_or_warn(session);
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

/* From "migrate" on QEMU changes no capability (migrate_caps_check()), so what
 * holds now holds for this migration. QEMU needs as long to reach the
 * switchover, so this question costs the guest nothing. */
static bool
look_at_capabilities(MigrateSession *session, GError **error)
{
    static const char *const needed[] = {"x-ignore-shared",
                                         "pause-before-switchover",
                                         "return-path", NULL};
    const char *off;
    if (!qmp_qemu_find_capability_off(session->guest.qmp, needed, &off,
                                      error)) {
        return false;
    }
    return !off || error_set(error, ERROR_STATE,
                             "QEMU's capability %s was switched off, not by "
                             "postlude, while the migration was being "
                             "prepared; begin again",
                             off);
}

static bool
start_qemu_migration(MigrateSession *session, GError **error)
{
    int ours = migrate_socket_give(session->guest.qmp, error);
    if (ours < 0) {
        return false;
    }
    session->relay = migrate_relay_start(ours, session->peer.device, error);
    if (!session->relay || !look_again(session, error) ||
        !migrate_wait_take_in(session, error)) {
        return false;
    }
    g_clear_pointer(&session->guest.migration, g_free);
    session->source.ran_again = false;
    return tell_to_migrate(session, error) &&
           look_at_capabilities(session, error);
}

static bool
at_switchover(MigrateSession *session)
{
    return migrate_news_status_is(session, "pre-switchover") ||
           migrate_news_status_is(session, "completed") ||
           migrate_news_has_failed(session);
}

static bool
report_qemu_failure(MigrateSession *session, GError **error)
{
    g_autofree char *detail = NULL;
    g_autofree char *status =
        qmp_qemu_migration_status(session->guest.qmp, &detail, NULL);
    return error_set(error, ERROR_FAILED,
                     "QEMU's migration of the device state %s%s%s; the "
                     "destination QEMU's log says why it did not take it",
                     session->guest.migration, detail ? ": " : "",
                     detail ? detail : "");
}

static bool
at_switchover_or_stopped(MigrateSession *session)
{
    return at_switchover(session) || session->source.stop_heard;
}

/* QEMU's migration stops the guest and says so right before the switchover, and
 * somebody else may do so before. Between the two QEMU tells them apart. */
static void
ask_who_stopped(MigrateSession *session)
{
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, NULL);
    session->source.stop_heard = false;
    if (g_strcmp0(state, "paused") == 0) {
        session->guest.ran = false;
    }
}

static bool
wait_for_switchover(MigrateSession *session, GError **error)
{
    while (!at_switchover(session)) {
        if (!migrate_wait(session, at_switchover_or_stopped,
                          session->patience.precopy_ms,
                          "QEMU to reach the switchover", error)) {
            return false;
        }
        if (session->source.stop_heard && !at_switchover(session)) {
            ask_who_stopped(session);
        }
    }
    if (migrate_news_has_failed(session)) {
        return report_qemu_failure(session, error);
    }
    return migrate_news_status_is(session, "pre-switchover") ||
           error_set(error, ERROR_STATE,
                     "QEMU went past the switchover without waiting for us");
}

bool
migrate_handover_freeze(MigrateSession *session, GError **error)
{
    return start_qemu_migration(session, error) &&
           wait_for_switchover(session, error);
}

/* The guest stands still and block I/O is drained; QEMU waits for this word. */
bool
migrate_handover_let_go(MigrateSession *session, GError **error)
{
    return qmp_qemu_migrate_continue(session->guest.qmp, error);
}

/* From "migrate" on QEMU plugs and unplugs nothing (qdev_device_add() in
 * softmmu/qdev-monitor.c), so the recheck finds what came just before. It takes
 * as many questions as QEMU has kinds of devices, and the guest stands still:
 * they are asked while the device state travels and is loaded. Until RUN the
 * guest can stay here. */
bool
migrate_handover_carry(MigrateSession *session, GError **error)
{
    if (!migrate_recheck_guest(session, error) ||
        !migrate_wait(session, migrate_news_has_ended,
                      session->patience.device_ms,
                      "QEMU to hand over the device state", error)) {
        return false;
    }
    return migrate_news_status_is(session, "completed") ||
           report_qemu_failure(session, error);
}

static gint64
downtime_us(const MigrateSession *session)
{
    return session->guest.stopped_us
               ? g_get_real_time() - session->guest.stopped_us
               : 0;
}

/* RUNNING itself, or a destination that came back and said so. */
static bool
has_answer(MigrateSession *session)
{
    return session->source.running || !g_queue_is_empty(&session->peer.frames);
}

/* RUN is out: the guest may run there. Only the destination's own word that it
 * does not brings it back; silence never does. */
bool
migrate_handover_wait_running(MigrateSession *session, GError **error)
{
    migrate_readmit_begin(session);
    while (!session->source.running) {
        if (!migrate_readmit_wait(session, has_answer,
                                  "the guest to run on the destination",
                                  error)) {
            migrate_commit_take_back(session);
            return false;
        }
        if (migrate_readmit_heard(session, WIRE_FRAME_RUNNING)) {
            session->source.running = true;
            session->report.downtime_ms = (double)downtime_us(session) / 1e3;
        }
    }
    return true;
}

/* QEMU has handed the guest over and stands still. Somebody may have said
 * "cont" since: then it runs here, and must not be started there as well. QEMU
 * says RESUME before a vCPU goes on (vm_prepare_start() in softmmu/cpus.c), so
 * that is here to be read; a question would only take time. */
static bool
check_still_stopped(MigrateSession *session, GError **error)
{
    return migrate_wait_take_in(session, error) &&
           (!session->source.ran_again ||
            error_set(error, ERROR_STATE,
                      "the guest was started on the source again, not by "
                      "postlude, before it was started on the destination; "
                      "it stays on the source"));
}

static bool
tell_to_run(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_run_encode(session->guest.ran, payload);
    if (!check_still_stopped(session, error) ||
        !migrate_commit(session, error)) {
        return false;
    }
    if (!migrate_mailbox_tell(session, WIRE_FRAME_RUN, payload, NULL)) {
        /* Not a byte of it may have left: but some may. */
        g_warning("RUN may not have arrived; the guest stays stopped here "
                  "until the destination answers");
    }
    return migrate_handover_wait_running(session, error);
}

/* libvirt ends the source's QEMU as soon as the guest runs over there, its
 * monitor a moment before its process. */
static bool
qemu_is_ending(const MigrateSession *session, const GError *why)
{
    return error_is(why, ERROR_VM_GONE) &&
           proc_life_has_ended(session->guest.pidfd, ENDING_MS);
}

bool
migrate_handover_restore(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->guest.capability && session->options.resume) {
        return migrate_qemu_clean(session);
    }
    if (session->guest.capability && !session->guest.gone &&
        !migrate_capability_restore(g_steal_pointer(&session->guest.capability),
                                    session->guest.qmp, &why) &&
        !qemu_is_ending(session, why)) {
        g_warning("%s", why->message);
        return false;
    }
    return true;
}

bool
migrate_handover_commit(MigrateSession *session, GError **error)
{
    if (!tell_to_run(session, error)) {
        return false;
    }
    if (!session->source.push[0] && session->peer.linked &&
        !session->source.complete) {
        migrate_outlet_start_pushing(session);
    }
    migrate_handover_restore(session);
    return true;
}
