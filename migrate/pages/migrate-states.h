/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of each page, one byte (base/page-state.h), and of each extent, whether
 * it is laid: one shared mapping for all blocks, so that a successor finds the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/page-state.h"
#include "migrate/ram/migrate-ram.h"

typedef struct {
    const MigrateRam *ram;
    uint8_t *bytes; /* NULL: not mapped */
    size_t room;
} MigrateStates;

/* Memory that does not outlive us; owned by the caller. -1 with ERROR. */
int migrate_states_memory(GError **error);

/* Makes MEMORY as long as it must be. */
bool migrate_states_make_room(const MigrateRam *ram, int memory,
                              GError **error);

/* False with PROTOCOL: what MEMORY has is not of RAM. */
bool migrate_states_are_of(const MigrateRam *ram, int memory, GError **error);

/* Maps MEMORY, which is borrowed. RAM must outlive it. */
bool migrate_states_map(MigrateStates *states, const MigrateRam *ram,
                        int memory, GError **error);
void migrate_states_unmap(MigrateStates *states);

/* Those of the pages and of the extents of BLOCK. */
void migrate_states_find(const MigrateStates *states, unsigned block,
                         PageState **pages, uint8_t **laid);

/* Nothing counts as asked any more. True if there is a page that is wanted. */
bool migrate_states_unask(MigrateStates *states);
