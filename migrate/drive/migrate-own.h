/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * We drive QEMU's migration: its device state travels on a connection of ours,
 * we say when, and start the guest.
 */
#pragma once

#include "migrate/drive/migrate-driver.h"

extern const MigrateDriver migrate_own;
