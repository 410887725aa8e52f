/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --give-up: the operator ends what a helper that died left. Main thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "migrate/core/migrate-options.h"

/* Ends the guest that OPTIONS mean (as in migrate_archive_find()), whose other
 * half is gone for good: at the destination its QEMU is killed, at the source its
 * memory let go. False (STATE): there is no such
 * guest, or its sender is still at work. */
bool migrate_give_up(const MigrateOptions *options, GError **error);
