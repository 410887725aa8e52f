/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The point of no return: passed, and gone back to before. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* The point of no return: from here on this process holds what the guest needs
 * to live, so signals do not end it, nor does the OOM killer if we may ask.
 * False, and nothing has changed, if that cannot be recorded: a successor that
 * read the old record would take back what cannot be taken back. */
bool migrate_commit(MigrateSession *session, GError **error);

/* The same where it has been passed whatever we do: only warns. */
void migrate_commit_anyway(MigrateSession *session);

/* Back to before it, in the journal as well: a successor that read the old
 * record would wait for ever for a destination that has refused the guest. Only
 * where the guest is known not to run there, nor to be about to. */
void migrate_commit_take_back(MigrateSession *session);
