/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Loading the guest, and not: see migrate-arrival.h.
 */
#include "migrate/drive/migrate-arrival.h"

#include "migrate/device/migrate-socket.h"
#include "migrate/drive/migrate-arm.h"
#include "migrate/drive/migrate-final.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/drive/migrate-start.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-record.h"

/* QEMU is told to stay paused when it has loaded everything (QMP "stop" while
 * inmigrate does just that: qmp_stop() in monitor/qmp-cmds.c clears
 * autostart), so that only our "cont" starts the guest here. */
static bool
open_qemu(MigrateSession *session, GError **error)
{
    if (!migrate_recheck_idle(session, error) ||
        !migrate_recheck_run_state(session, error) ||
        !migrate_recheck_guest(session, error)) {
        return false;
    }
    session->guest.capability =
        migrate_capability_set(session->guest.qmp, false, error);
    if (!session->guest.capability ||
        !qmp_qemu_stop(session->guest.qmp, error)) {
        return false;
    }
    int ours = migrate_socket_give(session->guest.qmp, error);
    if (ours < 0) {
        return false;
    }
    session->relay = migrate_relay_start(ours, session->peer.device, error);
    return session->relay && qmp_qemu_migrate_incoming(
                                 session->guest.qmp, MIGRATE_SOCKET_URI, error);
}

bool
migrate_arrival_run(MigrateSession *session, GError **error)
{
    if (!open_qemu(session, error)) {
        return false;
    }
    migrate_record_or_warn(session);
    if (!migrate_mailbox_tell(session, WIRE_FRAME_READY, NULL, error)) {
        return false;
    }
    migrate_intake_start_filling(session);
    return migrate_final_hear(session, error) &&
           migrate_start_guest(session, error);
}

void
migrate_arrival_undo(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_clear_pointer(&session->relay, migrate_relay_stop);
    migrate_session_stop_filling(session);
    if (session->guest.resumed && !session->options.follow &&
        session->guest.qmp) {
        g_warning("the guest was started here, not by postlude; it is "
                  "stopped again, because it stays on the source: end this "
                  "QEMU");
        qmp_qemu_stop(session->guest.qmp, NULL);
    }
    /* First of all: QEMU's main loop may be waiting for a page that will not
     * come now, and would not hear what we tell its monitor. */
    migrate_disarm(session);
    if (!session->guest.capability || session->guest.gone) {
        return;
    }
    migrate_socket_forget(session->guest.qmp);
    if (!migrate_capability_restore(g_steal_pointer(&session->guest.capability),
                                    session->guest.qmp, &why)) {
        g_message("%s", why->message);
    }
}
