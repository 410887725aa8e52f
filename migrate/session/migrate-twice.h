/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that somebody starts at the source after it was handed over: then it
 * runs on both hosts. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* After RUN, now and then: a guest that somebody starts here as well is stopped
 * again, and both sides say so. */
void migrate_twice_watch(MigrateSession *session);
void migrate_twice_tell(MigrateSession *session);
