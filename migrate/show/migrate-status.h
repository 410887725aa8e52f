/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How others see a running helper: a UNIX socket in the run-time directory
 * (/run/postlude, or $XDG_RUNTIME_DIR/postlude for an ordinary user) that
 * answers every connection of root or of our own user with one JSON object.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "migrate/session/migrate-session.h"

typedef struct MigrateStatus MigrateStatus;

/* Serves SESSION's status from the main loop until it is freed. NULL, after a
 * warning, if the socket cannot be made: a migration does not fail for it. */
MigrateStatus *migrate_status_open(const MigrateSession *session);
void migrate_status_close(MigrateStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateStatus, migrate_status_close)

/* The status of SESSION as one line of JSON. */
char *migrate_status_to_json(const MigrateSession *session);

/* What helpers that were killed left, and nobody took over: GPtrArray of lines
 * for a person. */
GPtrArray *migrate_status_orphans(void);

/* Helpers that are at work and not among ANSWERS (of the next function): too
 * busy, or their socket was removed. GPtrArray of lines for a person. */
GPtrArray *migrate_status_silent(const GPtrArray *answers);

/* All helpers of this host that answer: GPtrArray of JSON texts. Sockets that
 * nobody listens on any more are removed. */
GPtrArray *migrate_status_query_all(void);

/* Removes the sockets of helpers that were killed. */
void migrate_status_forget_dead(void);

/* One such JSON text as a line for a person; NULL if it is not one. */
char *migrate_status_describe(const char *json);
