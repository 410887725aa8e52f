/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover at the source: QEMU's migration of device state, the moment
 * when the guest stands still, and the point of no return.
 */
#pragma once

#include "migrate/migrate-session.h"

/* Sends which extents hold data now; FINAL when the guest stands still (then
 * they are also offered to the bulk order). */
bool migrate_handover_tell_extents(MigrateSession *session, bool final,
                                   GError **error);

/* What the threads that send need: nothing sent, nothing offered yet. Replaces
 * what was there; no such thread may live. */
void migrate_handover_make_order(MigrateSession *session);

/* Starts the thread that answers, and those that push. */
bool migrate_handover_start_serving(MigrateSession *session, GError **error);
void migrate_handover_start_pushing(MigrateSession *session);

/* Starts the keeper, which nobody needs yet; takes rights that a confined
 * process does not have. Only warns. */
void migrate_handover_choose_heirs(MigrateSession *session);

/* While the guest still runs here: the journal and the keeper, for whoever has
 * to take over from this process. Only warns. */
void migrate_handover_prepare_heirs(MigrateSession *session);

/* QEMU's capabilities as they were, unless QEMU is gone. */
bool migrate_handover_restore(MigrateSession *session);

/* RUN was said, now or by another process: until RUNNING, or (false) the
 * destination's word that it does not and will not run the guest. */
bool migrate_handover_wait_running(MigrateSession *session, GError **error);

/* From capabilities on to RUNNING. */
bool migrate_handover_run(MigrateSession *session, GError **error);

/* After RUN, now and then: a guest that somebody starts here as well is stopped
 * again, and both sides say so. */
void migrate_handover_watch_guest(MigrateSession *session);
void migrate_handover_tell_source_ran(MigrateSession *session);

/* Ends the threads that serve and push, and the tunnel. */
void migrate_handover_stop_threads(MigrateSession *session);
