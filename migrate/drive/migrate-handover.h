/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover at the source: QEMU's migration of device state, the moment
 * when the guest stands still, and the point of no return.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* The steps of the switchover, as in migrate-driver.h. */
bool migrate_handover_open(MigrateSession *session, GError **error);
bool migrate_handover_freeze(MigrateSession *session, GError **error);
bool migrate_handover_let_go(MigrateSession *session, GError **error);
bool migrate_handover_carry(MigrateSession *session, GError **error);
bool migrate_handover_commit(MigrateSession *session, GError **error);

/* QEMU's capabilities as they were, unless QEMU is gone. */
bool migrate_handover_restore(MigrateSession *session);

/* RUN was said, now or by another process: until RUNNING, or (false) the
 * destination's word that it does not and will not run the guest. */
bool migrate_handover_wait_running(MigrateSession *session, GError **error);
