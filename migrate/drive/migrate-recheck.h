/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was true of QEMU and its guest when it was looked at, and may not be so
 * any more: an operator, a management tool or the guest changes it whenever
 * they like. Asked through the monitor only, so a confined process can ask
 * again; the table in docs/architecture.md says what is asked when.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* QEMU migrates nothing and is in the middle of no migration: else what we
 * change, cancel or empty would be somebody else's. At a destination that is
 * driven by somebody else a migration may be prepared, but not begun. */
bool migrate_recheck_idle(MigrateSession *session, GError **error);

/* Source: the guest runs or is paused (GUEST_RAN says which from now on).
 * Destination: QEMU waits for a guest. STATE otherwise. */
bool migrate_recheck_run_state(MigrateSession *session, GError **error);

/* RAM blocks are those that were looked at: none has come or gone, ours have
 * the same size and address. A few hundred microseconds. */
bool migrate_recheck_blocks(MigrateSession *session, GError **error);

/* The same, and no device has come that would be refused. */
bool migrate_recheck_guest(MigrateSession *session, GError **error);

/* Source: none of its memory is waited for from another host. Looks at the
 * process, so only before the confinement. */
bool migrate_recheck_whole(MigrateSession *session, GError **error);
