/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arming the destination: empty RAM files, huge folios under them, a
 * userfaultfd inside QEMU, every block registered, the fault thread at work.
 * Only then may the source switch over.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Everything up to *armed*, from session->destination.wanted. */
bool migrate_arm(MigrateSession *session, GError **error);

/* Confines this process, unless the options say no, and leaves an attendant
 * outside. When QEMU's userfaultfd is there, before any thread starts. */
bool migrate_arm_confine(MigrateSession *session, GError **error);

/* Takes it back: unregistered, the descriptor inside QEMU closed, the RAM
 * files empty. Safe after any part of migrate_arm(). */
void migrate_disarm(MigrateSession *session);

/* Unregisters every block and closes the descriptor inside QEMU; what is not
 * PRESENT then would read as zeros, so everything must be. Then stops the
 * fault thread, which is needed until the descriptor is closed. */
bool migrate_arm_release(MigrateSession *session, GError **error);
