/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One guest, two hosts: see migrate-twice.h.
 */
#include "migrate/session/migrate-twice.h"

#include <unistd.h>

#include "migrate/session/migrate-mailbox.h"

/* After RUN. The memory that is not there yet changes under the guest that
 * runs on the destination, and both write to the same disks: so this one is
 * stopped again, at once. */
void
migrate_twice_watch(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->source.ran_again || session->options.follow ||
        session->guest.gone || !session->guest.qmp) {
        return;
    }
    session->source.ran_again = session->guest.resumed = false;
    session->report.source_ran = true;
    if (qmp_qemu_stop(session->guest.qmp, &why)) {
        g_warning("the guest was started here, not by postlude, after it "
                  "had been handed over to the destination; it was stopped "
                  "here again");
    } else {
        g_warning("the guest was started here, not by postlude, after it "
                  "had been handed over to the destination, and it cannot "
                  "be stopped: %s; say 'stop' in QEMU's monitor now",
                  why->message);
    }
    g_warning("%s", MIGRATE_REPORT_RAN_TWICE);
    if (!session->peer.linked) {
        g_warning("the destination is not connected; if it is lost for good "
                  "and the guest is to go on here, do it in this order: end "
                  "the destination's QEMU, 'kill -9' this process (%d), "
                  "'postlude send --give-up', then 'cont'",
                  (int)getpid());
    }
    migrate_twice_tell(session);
}

/* Not heard, it is said again to a destination that comes back. */
void
migrate_twice_tell(MigrateSession *session)
{
    if (session->report.source_ran) {
        migrate_session_tell(session, WIRE_FRAME_SOURCE_RUNS, NULL, NULL);
    }
}
