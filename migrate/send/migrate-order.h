/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which extent the bulk connections send next: hot ones first (a page of them
 * was just asked for, its neighbours will be), then the rest in ascending
 * order. Pure but for its lock; each extent is handed out once. Called by the
 * urgent thread and by the bulk threads of the source.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MigrateOrder MigrateOrder;

/* EXTENTS_PER_BLOCK[N]; nothing is in the order until it is offered. */
MigrateOrder *migrate_order_new(const uint32_t *extents_per_block, unsigned n);
void migrate_order_free(MigrateOrder *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateOrder, migrate_order_free)

/* Puts an extent into the background order (it holds data). */
void migrate_order_offer(MigrateOrder *order, unsigned block, uint32_t extent);

/* Moves an extent to the head, if it was offered and not yet handed out. */
void migrate_order_heat(MigrateOrder *order, unsigned block, uint32_t extent);

/* Takes the next; false when nothing is left. */
bool migrate_order_next(MigrateOrder *order, unsigned *block,
                        uint32_t *extent);

/* Extents offered and not yet handed out. */
uint64_t migrate_order_left(MigrateOrder *order);
