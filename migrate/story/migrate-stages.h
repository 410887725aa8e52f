/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The story of a migration as a table; see migrate-stages.c.
 */
#pragma once

#include "migrate/session/migrate-session.h"

typedef enum {
    MIGRATE_EXIT_DONE = 0,
    MIGRATE_EXIT_FAILED = 1, /* before the point of no return */
    MIGRATE_EXIT_USAGE = 2,
    MIGRATE_EXIT_GIVEN_UP = 3, /* after it */
} MigrateExit;

/* Walks through all stages. On failure the undo of every stage that was
 * entered runs, last first, the peer is told, and ERROR says what happened to
 * whom. The session's report is filled in either way. */
MigrateExit migrate_stages_run(MigrateSession *session, GError **error);
