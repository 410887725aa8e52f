/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU says unasked, and whether it lives. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Takes in QEMU's events. VM_GONE: it has ended, or closed its monitor while
 * that is needed. STATE: somebody told it to migrate while no destination is
 * armed. */
bool migrate_news_take_in(MigrateSession *session, GError **error);

/* QEMU's migration by its last MIGRATION event; false before the first. */
bool migrate_news_status_is(const MigrateSession *session, const char *status);
/* It was cancelled, or failed. */
bool migrate_news_has_failed(const MigrateSession *session);
/* The same, or it is complete. */
bool migrate_news_has_ended(MigrateSession *session);
