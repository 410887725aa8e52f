/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading a file of which we have a view: see migrate-ram-source.h.
 */
#include "migrate/ram/migrate-ram-source.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/range.h"

/* Every page of the extent is in the page cache: the everyday case, found out
 * by one call. Anything else (holes, swapped pages) is looked up page by page.
 * Who may not write the file is told "yes" (mm/mincore.c, can_do_mincore): its
 * holes are then filled at the source and sent as the zeros they are. */
static bool
is_all_data(const MigrateBlock *block, uint32_t extent)
{
    unsigned n = migrate_ram_extent_pages(block, extent);
    uint8_t *view = block->view + extent * EXTENT_BYTES;
    unsigned char resident[PAGES_PER_EXTENT];
    if (mincore(view, n * PAGE_BYTES, resident) < 0) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!(resident[i] & 1)) {
            return false;
        }
    }
    return true;
}

/* Not SEEK_HOLE, which walks to the end of the data however far behind the
 * extent that lies: over a guest of small pages that is quadratic. */
static bool
find_data_by_page(const MigrateBlock *block, uint32_t extent, uint64_t data[8],
                  GError **error)
{
    uint64_t start = block->file_offset + extent * EXTENT_BYTES;
    uint64_t end =
        start + migrate_ram_extent_pages(block, extent) * PAGE_BYTES;
    for (uint64_t at = start; at < end; at += PAGE_BYTES) {
        off_t found = lseek(block->file, (off_t)at, SEEK_DATA);
        if (found < 0 && errno != ENXIO) {
            return error_set_errno(error, errno, "SEEK_DATA in RAM block '%s'",
                                   block->name);
        }
        if (found < 0 || (uint64_t)found >= end) {
            return true;
        }
        at = (uint64_t)found;
        bits_set(data, (unsigned)((at - start) / PAGE_BYTES));
    }
    return true;
}

/* Which pages of the extent the file holds; the rest are holes, and must not
 * even be read through the view, which would fill them. */
static bool
find_data(const MigrateBlock *block, uint32_t extent, uint64_t data[8],
          GError **error)
{
    if (is_all_data(block, extent)) {
        memset(data, 0xff, 8 * sizeof *data);
        /* One walk instead of a fault per 16 pages; it may fail. */
        madvise(block->view + extent * EXTENT_BYTES,
                migrate_ram_extent_pages(block, extent) * PAGE_BYTES,
                MADV_POPULATE_READ);
        return true;
    }
    memset(data, 0, 8 * sizeof *data);
    return find_data_by_page(block, extent, data, error);
}

static const uint8_t *
ram_source_look(const MigrateBlock *block, uint32_t extent)
{
    return block->view + extent * EXTENT_BYTES;
}

/* pread, not our view: a hole reads as zeros without being filled, and one page
 * costs no page-table entry. */
static bool
read_page(const MigrateBlock *block, uint64_t page, uint8_t *bytes,
          GError **error)
{
    uint64_t offset = block->file_offset + page * PAGE_BYTES;
    ssize_t n = pread(block->file, bytes, PAGE_BYTES, (off_t)offset);
    if (n != (ssize_t)PAGE_BYTES) {
        return error_set_errno(error, n < 0 ? errno : EIO,
                               "read page %" G_GUINT64_FORMAT
                               " of RAM block '%s'",
                               page, block->name);
    }
    return true;
}

static int
file_of(const MigrateBlock *block, uint64_t page, uint64_t *offset)
{
    *offset = block->file_offset + page * PAGE_BYTES;
    return block->file;
}

const MigrateRamSource migrate_ram_source_file = {
    .data_extents = migrate_ram_data_extents,
    .find_data = find_data,
    .look = ram_source_look,
    .forget = migrate_ram_forget,
    .read = read_page,
    .file = file_of,
};
