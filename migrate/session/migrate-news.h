/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU says unasked, and whether it lives. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Takes in QEMU's events. VM_GONE: it has ended, or closed its monitor while that is
 * needed. STATE: somebody told it to migrate while no destination is armed. */
bool migrate_news_take_in(MigrateSession *session, GError **error);
