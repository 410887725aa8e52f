/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the source does in each stage. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_source_connect(MigrateSession *session, GError **error);
bool migrate_source_agree(MigrateSession *session, GError **error);
bool migrate_source_prepare(MigrateSession *session, GError **error);
bool migrate_source_wait(MigrateSession *session, GError **error);
bool migrate_source_settle(MigrateSession *session, GError **error);
