/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU as this session knows it: its process, our claim to it, its monitor, and what
 * is switched in it. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Finds the process of QEMU, if it is not known, claims it, if we have not yet,
 * and opens its monitor. STATE: somebody else is at work there. */
bool migrate_qemu_open(MigrateSession *session, GError **error);

/* QEMU's capabilities as they were, unless QEMU is gone; its monitor is opened if
 * it is not. Only warns. */
void migrate_qemu_restore(MigrateSession *session);

/* Opens its monitor and asks whether the guest runs here. One that does not answer
 * counts as running, and that is said. */
bool migrate_qemu_may_run(MigrateSession *session);

/* Opens the monitor and asks whether x-ignore-shared, which a helper that died had
 * switched on before "migrate", is still on. QEMU changes no capability while it
 * migrates: off means that that migration is over. */
bool migrate_qemu_is_as_left(MigrateSession *session, bool *as_left,
                             GError **error);

/* What a helper that died may have left switched in QEMU is switched off; its
 * monitor is opened if it is not. False, and it has been warned of: it is not. */
bool migrate_qemu_clean(MigrateSession *session);
