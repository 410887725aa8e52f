/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the destination does in each stage. Main thread only.
 */
#pragma once

#include "migrate/migrate-session.h"

bool migrate_destination_connect(MigrateSession *session, GError **error);
bool migrate_destination_agree(MigrateSession *session, GError **error);
bool migrate_destination_prepare(MigrateSession *session, GError **error);
bool migrate_destination_wait(MigrateSession *session, GError **error);
bool migrate_destination_switchover(MigrateSession *session, GError **error);
bool migrate_destination_postcopy(MigrateSession *session, GError **error);

/* The pieces that other ways of being a destination need as well: the source's
 * series of EXTENTS, TIMEOUT_MS for each frame; one frame of it (*LAST: the
 * series is complete); the urgent and the bulk connections; their threads; what
 * the source has no data for; QEMU's capabilities as they were; PROGRESS. */
bool migrate_destination_hear_extents(MigrateSession *session, bool final,
                                      int timeout_ms, GError **error);
bool migrate_destination_take_extents(MigrateSession *session,
                                      const GByteArray *payload, bool final,
                                      bool *last, GError **error);
bool migrate_destination_dial_pages(MigrateSession *session, GError **error);
bool migrate_destination_start_guest(MigrateSession *session, GError **error);

/* When QEMU has loaded all, as late before start_guest(), which does it else, as
 * costs no downtime: has it the RAM that it had, and is its guest to start? */
bool migrate_destination_look(MigrateSession *session, GError **error);
void migrate_destination_start_filling(MigrateSession *session);
void migrate_destination_mark_holes(MigrateSession *session);
void migrate_destination_restore(MigrateSession *session);
void migrate_destination_tell_progress(MigrateSession *session);

void migrate_destination_unprepare(MigrateSession *session);
void migrate_destination_unswitch(MigrateSession *session);
