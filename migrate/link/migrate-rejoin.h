/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's way back to its source after a connection was lost: it
 * dials, with growing pauses, says which pages it has, and goes on with new
 * connections. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Marks the first set of connections as the one at work. */
void migrate_rejoin_begin(MigrateSession *session);

/* True if the connections are up but have carried nothing for --link-timeout
 * although pages are missing; ERROR says which and for how long. */
bool migrate_rejoin_is_silent(MigrateSession *session, GError **error);

/* WHY the connections are lost (only said): takes them down and dials until
 * the source answers, for ever after the point of no return, before it for
 * --peer-timeout. Then RUN was heard again, but the guest is not started here.
 * False: VM_GONE, CANCELLED, or before the point of no return PEER_GONE. */
bool migrate_rejoin(MigrateSession *session, const GError *why,
                    GError **error);

/* Every page is here, or the guest has ended, and the source could not be told: dials until it was,
 * TIMEOUT_MS have passed, or a signal came. True if it said BYE. */
bool migrate_rejoin_say_done(MigrateSession *session, int timeout_ms);
