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

/* Claims the QEMU of SESSION and opens its archive, before anything is touched.
 * STATE: another process has taken over since the journal was read. */
bool migrate_resume_claim(MigrateSession *session, GError **error);
