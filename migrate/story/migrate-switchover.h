/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a guest that runs at the source to one that runs at the destination, and
 * until its last page is there: what both drivers have in common
 * (migrate-driver.h). Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_switchover_source(MigrateSession *session, GError **error);
bool migrate_switchover_destination(MigrateSession *session, GError **error);
void migrate_switchover_undo_source(MigrateSession *session);
void migrate_switchover_undo_destination(MigrateSession *session);

/* The stage after it. */
bool migrate_switchover_postcopy_source(MigrateSession *session,
                                        GError **error);
bool migrate_switchover_postcopy_destination(MigrateSession *session,
                                             GError **error);

/* The undo of all that comes before: a migration of QEMU that somebody began
 * too early. */
void migrate_switchover_forbid(MigrateSession *session);
