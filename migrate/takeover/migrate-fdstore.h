/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * systemd's descriptor store (sd_pid_notify_with_fds(3), FDSTORE=1): RAM files
 * put there come back to the next process of the same unit, if the unit has
 * FileDescriptorStoreMax=. Without libsystemd, or outside of a unit, nothing
 * happens.
 */
#pragma once

#include "migrate/ram/migrate-ram.h"

/* Puts all files of RAM into the store. */
void migrate_fdstore_put(const MigrateRam *ram);

/* Takes the files of RAM that systemd handed us at the start. Once. */
void migrate_fdstore_fetch(MigrateRam *ram);

/* Empties it: nobody has to take over any more. */
void migrate_fdstore_clear(const MigrateRam *ram);
