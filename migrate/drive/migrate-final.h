/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source's last words before the guest runs here: EXTENTS, STOPPED, RUN.
 * They leave within milliseconds of each other, so they can be lost together.
 * Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Until RUN was heard, on these connections or on later ones. PEER_GONE only if
 * the source cannot have said it, or was not to be found for --peer-timeout.
 * The guest does not run here yet in either case. */
bool migrate_final_hear(MigrateSession *session, GError **error);
