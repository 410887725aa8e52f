/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A RAM block of the source that lies in the test's own memory: no file, no view. One
 * at a time.
 */
#pragma once

#include "migrate/ram/migrate-ram-source.h"

typedef struct {
    uint8_t *bytes;      /* of the block */
    const uint8_t *held; /* per page: holds data */
    bool fails;          /* a page cannot be read */
    unsigned forgotten, read;
} FakeRamSource;

/* BLOCK is read from FAKE's BYTES. */
void fake_ram_source_init(FakeRamSource *fake, MigrateBlock *block);
