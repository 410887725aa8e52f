/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover at the destination, where we drive QEMU: it loads the device
 * state and waits, and starts the guest when RUN was heard. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_arrival_run(MigrateSession *session, GError **error);

/* Its undo, also for who followed or took over: the guest stays at the source. */
void migrate_arrival_undo(MigrateSession *session);
