/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking the switchover back at the source. Another migration, and a guest that
 * somebody else stopped or moved, are left as they are.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Cancels our migration of QEMU (nobody else's) and waits until QEMU migrates
 * nothing; puts the capabilities back; starts the guest again if it ran and
 * that migration stopped it. */
void migrate_undo_switchover(MigrateSession *session);
