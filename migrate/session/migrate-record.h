/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal of a session: past the point of no return it is written again
 * and again, because who is killed cannot write down any more what it measured,
 * and looked after, because others may remove it. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"
#include "migrate/takeover/migrate-journal.h"

/* SESSION as it stands. The journal borrows: it is not to be cleared. */
void migrate_record_of(const MigrateSession *session,
                        MigrateJournal *journal);

/* SESSION takes over what the journal knows; the journal is cleared. The RAM's
 * files are not opened (file is -1). */
void migrate_record_give(MigrateJournal *journal, MigrateSession *session);

/* Writes the journal, if there is an archive, unless QEMU is not claimed any
 * more (STATE: somebody else has it): from now on another process could take
 * over. FAILED with where and why. */
bool migrate_record_write(MigrateSession *session, GError **error);

/* The same where the migration goes on without. */
void migrate_record_or_warn(MigrateSession *session);

/* From now on once a second, until migrate_session_free(). Only warns. */
void migrate_record_start(MigrateSession *session);
