/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Somebody else (libvirt) drives QEMU's migration, and starts the guest; we
 * follow what QEMU says of it.
 */
#pragma once

#include "migrate/drive/migrate-driver.h"

extern const MigrateDriver migrate_follow;
