/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over at the destination from a helper that died: in the place of the stage
 * switchover. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_resume_destination(MigrateSession *session, GError **error);

/* Its undo: what the one that died could not take back any more. */
void migrate_resume_undo_destination(MigrateSession *session);
