/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source where somebody else (libvirt) drives QEMU's migration: it opens
 * the way, follows QEMU's own events, serves memory from the moment it is
 * final, and never starts or continues the guest. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* As in migrate-driver.h. The point of no return is QEMU's "completed". */
bool migrate_follow_source_open(MigrateSession *session, GError **error);
bool migrate_follow_source_freeze(MigrateSession *session, GError **error);
bool migrate_follow_source_let_go(MigrateSession *session, GError **error);
bool migrate_follow_source_carry(MigrateSession *session, GError **error);
bool migrate_follow_source_commit(MigrateSession *session, GError **error);

/* False: QEMU has confirmed that it did not complete, and x-ignore-shared is
 * off. */
bool migrate_follow_source_is_too_late(MigrateSession *session, GError **why);

/* False if the guest was taken back, or the destination says that it never ran
 * there. */
bool migrate_follow_source_postcopy(MigrateSession *session, GError **error);

/* True if QEMU has handed the guest over, or has ended, so that it may have; else
 * x-ignore-shared is off and the guest here. */
bool migrate_follow_source_was_passed_unseen(MigrateSession *session,
                                             GError **error);

/* Threads and capabilities; the guest is the driver's. */
void migrate_follow_source_undo(MigrateSession *session);

/* Cancels a migration that was started while nobody was armed. */
void migrate_follow_source_forbid(MigrateSession *session);
