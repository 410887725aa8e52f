/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a RAM block of the source is read: one set of functions for each kind of RAM,
 * chosen once for a block. Today there is one kind, a file of which we have a view
 * (migrate_ram_source_file). The guest stands still. Any thread.
 */
#pragma once

#include "migrate/ram/migrate-ram.h"

typedef struct MigrateRamSource {
    /* Bitmap, one bit an extent, of those that hold data; owned by the caller. */
    uint8_t *(*data_extents)(const MigrateBlock *block, GError **error);

    /* Bit i: page i of EXTENT holds data. The others are zero, and must not be
     * looked at: that might fill them. */
    bool (*find_data)(const MigrateBlock *block, uint32_t extent,
                      uint64_t data[8], GError **error);

    /* The bytes of EXTENT, until it is forgotten. */
    const uint8_t *(*look)(const MigrateBlock *block, uint32_t extent);
    void (*forget)(const MigrateBlock *block, uint32_t extent);

    /* One page, into BYTES; zeros, if it holds no data. */
    bool (*read)(const MigrateBlock *block, uint64_t page, uint8_t *bytes,
                 GError **error);

    /* The file that has PAGE at *OFFSET, and what follows it behind that; -1: there
     * is none. Borrowed. */
    int (*file)(const MigrateBlock *block, uint64_t page, uint64_t *offset);
} MigrateRamSource;

extern const MigrateRamSource migrate_ram_source_file;

/* The one of BLOCK. */
static inline const MigrateRamSource *
migrate_ram_source_of(const MigrateBlock *block)
{
    return block->source ? block->source : &migrate_ram_source_file;
}
