/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading the test's own memory: see fake-ram-source.h.
 */
#include "tests/support/fake-ram-source.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/range.h"

static FakeRamSource *fake_now;

static bool
fake_find_data(const MigrateBlock *block, uint32_t extent, uint64_t data[8],
               GError **error)
{
    uint64_t first = (uint64_t)extent * PAGES_PER_EXTENT;
    memset(data, 0, 8 * sizeof *data);
    for (unsigned i = 0; i < migrate_ram_extent_pages(block, extent); i++) {
        if (fake_now->held[first + i]) {
            bits_set(data, i);
        }
    }
    return true;
}

static uint8_t *
fake_data_extents(const MigrateBlock *block, GError **error)
{
    uint8_t *bitmap = g_malloc0((block->extents + 7) / 8);
    for (uint32_t e = 0; e < block->extents; e++) {
        uint64_t data[8];
        fake_find_data(block, e, data, error);
        bitmap[e / 8] |= (uint8_t)((bits_count(data, 8) > 0) << (e % 8));
    }
    return bitmap;
}

static const uint8_t *
fake_look(const MigrateBlock *block, uint32_t extent)
{
    return fake_now->bytes + extent * EXTENT_BYTES;
}

static void
fake_forget(const MigrateBlock *block, uint32_t extent)
{
    fake_now->forgotten++;
}

static bool
fake_read(const MigrateBlock *block, uint64_t page, uint8_t *bytes,
          GError **error)
{
    fake_now->read++;
    memcpy(bytes, fake_now->bytes + page * PAGE_BYTES, PAGE_BYTES);
    return !fake_now->fails || error_set(error, ERROR_FAILED, "no such page");
}

static int
fake_file(const MigrateBlock *block, uint64_t page, uint64_t *offset)
{
    return -1;
}

static const MigrateRamSource fake_ram_source = {
    .data_extents = fake_data_extents,
    .find_data = fake_find_data,
    .look = fake_look,
    .forget = fake_forget,
    .read = fake_read,
    .file = fake_file,
};

void
fake_ram_source_init(FakeRamSource *fake, MigrateBlock *block)
{
    fake_now = fake;
    block->source = &fake_ram_source;
}
