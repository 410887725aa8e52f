/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's migration capabilities: set late, always undone. The dangerous one
 * is x-ignore-shared: left on where nobody is armed, a later plain migration
 * would leave the guest's RAM behind.
 */
#pragma once

#include <stdbool.h>

#include "qmp/qmp-qemu.h"

typedef struct MigrateCapability MigrateCapability;

/* Turns on what our migration needs and off what excludes it, remembering how
 * each stood. On failure everything is as it was. */
MigrateCapability *migrate_capability_set(QmpClient *client, bool source,
                                          GError **error);

/* The same where somebody else drives the migration, and sets what he needs
 * himself: only what ours cannot do without is turned on, nothing off. */
MigrateCapability *migrate_capability_set_following(QmpClient *client,
                                                    bool source,
                                                    GError **error);

/* For who does not know how things stood: everything off that would harm a
 * later migration which is not ours. */
bool migrate_capability_clear(QmpClient *client, GError **error);

/* Puts everything back, but x-ignore-shared always to off. Frees it, also on
 * failure (the error says what the operator must switch off by hand; VM_GONE if
 * QEMU closed its monitor meanwhile). */
bool migrate_capability_restore(MigrateCapability *capability,
                                QmpClient *client, GError **error);

/* Forgets them, for a QEMU that has ended. */
void migrate_capability_free(MigrateCapability *capability);
