/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the source sends pages with: the order and the bits of what was sent,
 * the thread that answers and those that push, and EXTENTS, which says what
 * holds data. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Sends which extents hold data now; FINAL when the guest stands still (then
 * they are also offered to the bulk order). */
bool migrate_outlet_tell_extents(MigrateSession *session, bool final,
                                   GError **error);

/* What the threads that send need: nothing sent, nothing offered yet. Replaces
 * what was there; no such thread may live. */
void migrate_outlet_make_order(MigrateSession *session);

/* Starts the thread that answers, and those that push. */
bool migrate_outlet_start_serving(MigrateSession *session, GError **error);
void migrate_outlet_start_pushing(MigrateSession *session);

/* Ends the threads that serve and push, and the tunnel. */
void migrate_outlet_stop_threads(MigrateSession *session);
