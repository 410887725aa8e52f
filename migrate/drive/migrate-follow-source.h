/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source where somebody else (libvirt) drives QEMU's migration: it opens
 * the way, follows QEMU's own events, serves memory from the moment it is
 * final, and never starts or continues the guest. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* From x-ignore-shared on to "completed", the point of no return. On failure
 * QEMU has confirmed that it did not complete, and x-ignore-shared is off. */
bool migrate_follow_source_switchover(MigrateSession *session,
                                      GError **error);

/* Until the destination has every page. False if the guest was taken back, or
 * the destination says that it never ran there. */
bool migrate_follow_source_postcopy(MigrateSession *session, GError **error);

/* For who takes over from a sender that died before it knew: true if QEMU has
 * handed the guest over, or has ended, so that it may have; else x-ignore-shared
 * is off and the guest here. */
bool migrate_follow_source_was_handed_over(MigrateSession *session);

/* Threads and capabilities; the guest is the driver's. */
void migrate_follow_source_unswitch(MigrateSession *session);

/* Cancels a migration that was started while nobody was armed. */
void migrate_follow_source_forbid(MigrateSession *session);
