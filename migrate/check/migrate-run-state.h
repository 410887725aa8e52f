/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU's run state, its own migration, and whoever else is at work on it mean
 * for a move: for 'postlude check', which tells it before 'send' or 'receive'
 * would refuse.
 */
#pragma once

#include "migrate/check/migrate-checked.h"
#include "qmp/qmp-client.h"

/* Adds a finding of the run state, and one of a migration that is under way; fills
 * in CHECKED->state and its subject (a guest, or a QEMU that waits for one). */
void migrate_run_state_check(QmpClient *client, MigrateChecked *checked,
                             GPtrArray *findings);

/* Adds a finding if PID is not CLIENT's QEMU, or a helper is at work on it, or was
 * killed there. */
void migrate_run_state_check_hands(QmpClient *client, pid_t pid,
                                   GPtrArray *findings);
