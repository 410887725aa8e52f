/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the source has sent already: one bit per page, set by whoever sends it.
 * Only spares duplicates; correctness is the destination's page states.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "migrate/ram/migrate-ram.h"

typedef struct MigrateSent MigrateSent;

MigrateSent *migrate_sent_new(const MigrateRam *ram);
void migrate_sent_free(MigrateSent *sent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateSent, migrate_sent_free)

/* Sets the page's bit; true if it was clear, so that the caller sends it. */
bool migrate_sent_take(MigrateSent *sent, unsigned block, uint64_t page);

/* Takes all pages of an extent at once: TAKEN gets a bit for each that was
 * clear (and is the caller's to send now). */
void migrate_sent_take_extent(MigrateSent *sent, unsigned block,
                              uint32_t extent, uint64_t taken[8]);
