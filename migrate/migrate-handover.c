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
#include "migrate/migrate-handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/migrate-archive.h"
#include "migrate/migrate-confine.h"
#include "migrate/migrate-fdstore.h"
#include "migrate/migrate-keeper.h"
#include "migrate/migrate-readmit.h"
#include "migrate/migrate-recheck.h"
#include "migrate/migrate-resume.h"
#include "migrate/migrate-socket.h"

#define READY_MS 60000
#define PRECOPY_MS 120000 /* device state and ROMs; the guest runs meanwhile */
#define DEVICE_MS 60000   /* the guest stands still */
#define ENDING_MS 1000

bool
migrate_handover_tell_extents(MigrateSession *session, bool final,
                              GError **error)
{
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        g_autofree uint8_t *bitmap = migrate_ram_data_extents(block, error);
        if (!bitmap) {
            return false;
        }
        for (uint32_t e = 0; final && e < block->extents; e++) {
            if (bitmap[e / 8] >> (e % 8) & 1) {
                migrate_order_offer(session->source.order, i, e);
            }
        }
        bool last = i + 1 == session->ram->n_blocks;
        WireExtents extents = {
            .block = i,
            .flags = (final ? WIRE_EXTENTS_FINAL : 0) |
                     (last ? WIRE_EXTENTS_LAST : 0),
            .n_extents = block->extents,
            .bitmap = bitmap,
        };
        g_autoptr(GByteArray) payload = g_byte_array_new();
        wire_extents_encode(&extents, payload);
        if (!migrate_session_tell(session, WIRE_FRAME_EXTENTS, payload,
                                  error)) {
            return false;
        }
    }
    return true;
}

/* The order and the pages' bits must exist before the urgent thread does. */
void
migrate_handover_make_order(MigrateSession *session)
{
    g_clear_pointer(&session->source.order, migrate_order_free);
    g_clear_pointer(&session->source.sent, migrate_sent_free);
    g_autofree uint32_t *extents = g_new0(uint32_t, session->ram->n_blocks);
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        extents[i] = session->ram->blocks[i].extents;
    }
    session->source.order =
        migrate_order_new(extents, session->ram->n_blocks);
    session->source.sent = migrate_sent_new(session->ram);
}

void
migrate_handover_choose_heirs(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *keeper =
        migrate_archive_keeper_path(session->pid, session->qemu_started);
    session->archive = migrate_archive_open(MIGRATE_SEND, session->pid,
                                            session->qemu_started, &why);
    if (session->archive) {
        /* Of a sender that was killed and whose work somebody put right. */
        migrate_keeper_release(keeper);
        session->source.keeper = migrate_keeper_start(
            session->ram, keeper, migrate_confine_user(), &why);
    }
    if (session->source.keeper < 0) {
        g_warning("nobody could take over from this process: %s",
                  why->message);
    }
}

/* While the guest still runs here: who would hold its memory, and know what to
 * do with it, if this process were killed? */
void
migrate_handover_prepare_heirs(MigrateSession *session)
{
    migrate_keeper_commit(&session->source.keeper);
    migrate_fdstore_put(session->ram);
    migrate_session_record_or_warn(session);
}

/* All that was looked at when this process began, and may have changed since:
 * before the first thing that QEMU would feel. */
static bool
look_again(MigrateSession *session, GError **error)
{
    return migrate_recheck_idle(session, error) &&
           migrate_recheck_run_state(session, error) &&
           migrate_recheck_guest(session, error);
}

static bool
prepare_both(MigrateSession *session, GError **error)
{
    migrate_handover_make_order(session);
    if (!look_again(session, error) ||
        !migrate_ram_map(session->ram, false, error)) {
        return false;
    }
    migrate_handover_prepare_heirs(session);
    session->capability = migrate_capability_set(session->qmp, true, error);
    if (!session->capability ||
        !migrate_session_tell(session, WIRE_FRAME_SWITCHOVER, NULL, error)) {
        return false;
    }
    g_autoptr(GByteArray) ready =
        migrate_session_expect(session, WIRE_FRAME_READY, READY_MS, error);
    return ready != NULL;
}

/* From the first byte of "migrate" on what QEMU migrates is ours, unless QEMU
 * refused it. */
static bool
tell_to_migrate(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    session->source.begun = true;
    migrate_session_record_or_warn(session);
    if (qmp_qemu_migrate(session->qmp, MIGRATE_SOCKET_URI, &why)) {
        return true;
    }
    session->source.begun =
        !error_is(why, ERROR_FAILED) && !error_is(why, ERROR_UNSUPPORTED);
    migrate_session_record_or_warn(session);
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
    if (!qmp_qemu_find_capability_off(session->qmp, needed, &off, error)) {
        return false;
    }
    return !off || error_set(error, ERROR_STATE,
                             "somebody switched QEMU's capability %s off "
                             "while the migration was being prepared; begin "
                             "again",
                             off);
}

/* Nor does it plug and unplug anything (qdev_device_add() in
 * softmmu/qdev-monitor.c), so this finds what came just before "migrate". It
 * takes as many questions as QEMU has kinds of devices, and the guest stands
 * still: they are asked while the device state travels and is loaded. Until RUN
 * the guest can stay here. */
static bool
look_at_what_goes(MigrateSession *session, GError **error)
{
    return migrate_recheck_guest(session, error);
}

static bool
start_qemu_migration(MigrateSession *session, GError **error)
{
    int ours = migrate_socket_give(session->qmp, error);
    if (ours < 0) {
        return false;
    }
    session->relay = migrate_relay_start(ours, session->device, error);
    if (!session->relay || !look_again(session, error) ||
        !migrate_session_take_in(session, error)) {
        return false;
    }
    g_clear_pointer(&session->migration_status, g_free);
    return tell_to_migrate(session, error) &&
           look_at_capabilities(session, error);
}

static bool
status_is(const MigrateSession *session, const char *status)
{
    return g_strcmp0(session->migration_status, status) == 0;
}

static bool
has_failed(const MigrateSession *session)
{
    return status_is(session, "failed") || status_is(session, "cancelled");
}

static bool
at_switchover(MigrateSession *session)
{
    return status_is(session, "pre-switchover") ||
           status_is(session, "completed") || has_failed(session);
}

static bool
has_ended(MigrateSession *session)
{
    return status_is(session, "completed") || has_failed(session);
}

static bool
report_qemu_failure(MigrateSession *session, GError **error)
{
    g_autofree char *detail = NULL;
    g_autofree char *status =
        qmp_qemu_migration_status(session->qmp, &detail, NULL);
    return error_set(error, ERROR_FAILED,
                     "QEMU's migration of the device state %s%s%s; the "
                     "destination QEMU's log says why it did not take it",
                     session->migration_status, detail ? ": " : "",
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
    g_autofree char *state = qmp_qemu_run_state(session->qmp, NULL);
    session->source.stop_heard = false;
    if (g_strcmp0(state, "paused") == 0) {
        session->guest_ran = false;
    }
}

static bool
wait_for_switchover(MigrateSession *session, GError **error)
{
    while (!at_switchover(session)) {
        if (!migrate_session_wait(session, at_switchover_or_stopped,
                                  PRECOPY_MS, "QEMU to reach the switchover",
                                  error)) {
            return false;
        }
        if (session->source.stop_heard && !at_switchover(session)) {
            ask_who_stopped(session);
        }
    }
    if (has_failed(session)) {
        return report_qemu_failure(session, error);
    }
    return status_is(session, "pre-switchover") ||
           error_set(error, ERROR_STATE,
                     "QEMU went past the switchover without waiting for us");
}

bool
migrate_handover_start_serving(MigrateSession *session, GError **error)
{
    session->source.serve = migrate_serve_start(
        session->urgent, session->ram, session->source.sent,
        session->source.order, &session->alarm);
    return session->source.serve || migrate_alarm_take(&session->alarm, error);
}

/* The guest stands still and block I/O is drained: RAM is final. Faults are
 * answered before QEMU is let go, because loading the device state there can
 * already need RAM; which extents hold data is worked out while the device
 * state travels. */
static bool
start_serving(MigrateSession *session, GError **error)
{
    session->report.switched_ns = fd_now_ns();
    if (!migrate_handover_start_serving(session, error) ||
        !qmp_qemu_migrate_continue(session->qmp, error) ||
        !migrate_handover_tell_extents(session, true, error) ||
        !migrate_session_tell(session, WIRE_FRAME_STOPPED, NULL, error)) {
        return false;
    }
    return true;
}

void
migrate_handover_start_pushing(MigrateSession *session)
{
    /* TLS has to touch every byte: sendfile() would only add a copy. */
    bool zero_copy = !wire_address_is_local(session->address) &&
                     !wire_address_creds(session->address);
    bool ok = true;
    for (unsigned i = 0; ok && i < session->n_streams; i++) {
        session->source.push[i] = migrate_push_start(
            session->bulk[i], session->ram, session->source.sent,
            session->source.order, zero_copy, &session->alarm);
        ok = session->source.push[i] != NULL;
    }
}

static bool
wait_for_completion(MigrateSession *session, GError **error)
{
    if (!migrate_session_wait(session, has_ended, DEVICE_MS,
                              "QEMU to hand over the device state", error)) {
        return false;
    }
    return status_is(session, "completed") ||
           report_qemu_failure(session, error);
}

static gint64
downtime_us(const MigrateSession *session)
{
    return session->stopped_us ? g_get_real_time() - session->stopped_us : 0;
}

/* RUNNING itself, or a destination that came back and said so. */
static bool
has_answer(MigrateSession *session)
{
    return session->source.running || !g_queue_is_empty(&session->frames);
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
            migrate_session_take_back(session);
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
    return migrate_session_take_in(session, error) &&
           (!session->resumed ||
            error_set(error, ERROR_STATE,
                      "somebody started the guest on the source again before "
                      "it was started on the destination, so it stays here"));
}

static bool
tell_to_run(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_run_encode(session->guest_ran, payload);
    if (!check_still_stopped(session, error) ||
        !migrate_session_commit(session, error)) {
        return false;
    }
    if (!migrate_session_tell(session, WIRE_FRAME_RUN, payload, NULL)) {
        /* Not a byte of it may have left: but some may. */
        g_warning("the word to run could not be sent completely");
    }
    return migrate_handover_wait_running(session, error);
}

/* libvirt ends the source's QEMU as soon as the guest runs over there, its
 * monitor a moment before its process. */
static bool
qemu_is_ending(const MigrateSession *session, const GError *why)
{
    return error_is(why, ERROR_VM_GONE) &&
           proc_life_has_ended(session->pidfd, ENDING_MS);
}

bool
migrate_handover_restore(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->capability && session->options.resume) {
        return migrate_resume_clean_qemu(session);
    }
    if (session->capability && !session->qemu_gone &&
        !migrate_capability_restore(g_steal_pointer(&session->capability),
                                    session->qmp, &why) &&
        !qemu_is_ending(session, why)) {
        g_warning("%s", why->message);
        return false;
    }
    return true;
}

bool
migrate_handover_run(MigrateSession *session, GError **error)
{
    if (!prepare_both(session, error) ||
        !start_qemu_migration(session, error) ||
        !wait_for_switchover(session, error) ||
        !start_serving(session, error)) {
        return false;
    }
    if (!look_at_what_goes(session, error) ||
        !wait_for_completion(session, error) ||
        !tell_to_run(session, error)) {
        return false;
    }
    if (!session->source.push[0] && session->linked &&
        !session->source.complete) {
        migrate_handover_start_pushing(session);
    }
    migrate_handover_restore(session);
    return true;
}

void
migrate_handover_stop_threads(MigrateSession *session)
{
    g_clear_pointer(&session->source.serve, migrate_serve_stop);
    for (unsigned i = 0; i < session->n_streams; i++) {
        g_clear_pointer(&session->source.push[i], migrate_push_stop);
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
}

/* After RUN. The memory that is not there yet changes under the guest that
 * runs on the destination, and both write to the same disks: so this one is
 * stopped again, at once. */
void
migrate_handover_watch_guest(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->resumed || session->options.follow || session->qemu_gone ||
        !session->qmp) {
        return;
    }
    session->resumed = false;
    session->report.source_ran = true;
    if (qmp_qemu_stop(session->qmp, &why)) {
        g_warning("somebody started the guest here after it had been handed "
                  "over to the destination; it was stopped here again");
    } else {
        g_warning("somebody started the guest here after it had been handed "
                  "over to the destination, and it cannot be stopped: %s",
                  why->message);
    }
    g_warning("%s", MIGRATE_REPORT_RAN_TWICE);
    if (!session->linked) {
        g_warning("the destination is not connected; if it is lost for good "
                  "and the guest is to go on here, do it in this order: end "
                  "the destination's QEMU, 'kill -9' this process (%d), "
                  "'postlude send --give-up', then 'cont'",
                  (int)getpid());
    }
    migrate_handover_tell_source_ran(session);
}

/* Not heard, it is said again to a destination that comes back. */
void
migrate_handover_tell_source_ran(MigrateSession *session)
{
    if (session->report.source_ran) {
        migrate_session_tell(session, WIRE_FRAME_SOURCE_RUNS, NULL, NULL);
    }
}
