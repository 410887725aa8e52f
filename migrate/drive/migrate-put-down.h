/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending a QEMU that somebody else drives, and whose guest may be started at any
 * moment. Main thread.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Ends SESSION's QEMU if its guest has not been started, and says so. False: it
 * was started (session->guest.resumed, or destination.ran if it stands still
 * again), and QEMU goes on; or QEMU could not be ended, which was warned of. */
bool migrate_put_down(MigrateSession *session);

/* Who takes over: if QEMU stands still because its receiver was killed in the
 * middle of that, it is told to go on. Before this process is confined. */
void migrate_put_down_take_back(MigrateSession *session);
