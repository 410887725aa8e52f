/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a session has measured, into an account and out of it: a successor goes
 * on counting. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"
#include "migrate/takeover/migrate-account.h"

/* SESSION as it stands, its threads at work. */
void migrate_measure_take(const MigrateSession *session,
                        MigrateAccount *account);

/* SESSION, which has measured nothing yet, goes on from there: it takes over. */
void migrate_measure_give(const MigrateAccount *account,
                          MigrateSession *session);

/* receive: the pages are here. Those that came after the last record are known
 * to be here, and no more. */
void migrate_measure_settle_pages(MigrateSession *session);
