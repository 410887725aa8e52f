/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the destination does in each stage. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_destination_connect(MigrateSession *session, GError **error);
bool migrate_destination_agree(MigrateSession *session, GError **error);
bool migrate_destination_prepare(MigrateSession *session, GError **error);
bool migrate_destination_wait(MigrateSession *session, GError **error);

/* The undo of prepare. */
void migrate_destination_unprepare(MigrateSession *session);
