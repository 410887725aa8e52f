/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A connection was lost after the point of no return. One lost connection ends
 * the whole set (control, urgent, bulk): what it carried cannot be told from
 * what it did not, and one way back is easier to prove right than four. What
 * QEMU needs goes on: on the destination faults are still read, and pages that
 * are here still mapped. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Ends the threads of this side that use the set, counts what they did, closes
 * the connections and forgets what came over them. Nothing happens to those
 * that are closed already. */
void migrate_outage_source(MigrateSession *session);
void migrate_outage_destination(MigrateSession *session);
