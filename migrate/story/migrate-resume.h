/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over from a helper that died: what it left in the run-time directory
 * becomes a session again, in the middle of the story. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"
#include "migrate/takeover/migrate-journal.h"

/* Finds what a helper of OPTIONS->role left (qmp_path and pid, if given, say of
 * which guest) and completes OPTIONS from it. The journal is for
 * migrate_record_give() after migrate_session_new(). STATE: nothing to resume,
 * or not clear what. */
bool migrate_resume_find(MigrateOptions *options, MigrateJournal *journal,
                         GError **error);

/* In the place of the stage switchover. */
bool migrate_resume_source(MigrateSession *session, GError **error);
bool migrate_resume_destination(MigrateSession *session, GError **error);

/* Their undo: what the one that died could not take back any more. */
void migrate_resume_undo_source(MigrateSession *session);
void migrate_resume_undo_destination(MigrateSession *session);

/* Ends the guest that OPTIONS mean, as above, whose other half is gone for
 * good: at the destination its QEMU
 * is killed, at the source its memory let go. False (STATE): there is no such
 * guest, or its sender is still at work. */
bool migrate_resume_give_up(const MigrateOptions *options, GError **error);
