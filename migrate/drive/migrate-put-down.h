/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending a QEMU that somebody else drives, and whose guest may be started at any
 * moment. Main thread.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Ends SESSION's QEMU if its guest has not been started, and says so. False: it
 * was started (session->guest.resumed), and QEMU goes on; or QEMU could not be ended,
 * which was warned of. */
bool migrate_put_down(MigrateSession *session);
