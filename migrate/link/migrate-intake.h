/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the destination takes pages in with: its connections to the source, the
 * threads that fill, and what the source says of its extents. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* One connection of this set; NULL with ERROR. */
WireLink *migrate_intake_dial(MigrateSession *session, WireRole role,
                              unsigned index, GError **error);

/* The urgent and the bulk connections. */
bool migrate_intake_dial_pages(MigrateSession *session, GError **error);

/* The source's series of EXTENTS, TIMEOUT_MS for each frame. */
bool migrate_intake_hear_extents(MigrateSession *session, bool final,
                                 int timeout_ms, GError **error);

/* One frame of it; *LAST: the series is complete. */
bool migrate_intake_take_extents(MigrateSession *session,
                                 const GByteArray *payload, bool final,
                                 bool *last, GError **error);

/* Starts the threads of the bulk connections. */
void migrate_intake_start_filling(MigrateSession *session);

/* What the source has no data for is here, as zeros. */
void migrate_intake_mark_holes(MigrateSession *session);

/* Says PROGRESS to the source. */
void migrate_intake_tell_progress(MigrateSession *session);
