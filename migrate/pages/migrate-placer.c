/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Filling a file that QEMU maps shared: see migrate-placer.h.
 */
#include "migrate/pages/migrate-placer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/range.h"
#include "uffd/uffd-map.h"

static bool
is_laid(const MigratePlace *place, uint64_t page)
{
    return place->laid[page / PAGES_PER_EXTENT];
}

static uint64_t
hva_of(const MigratePlace *place, uint64_t page)
{
    return place->block->hva + page * PAGE_BYTES;
}

static uint8_t *
find_room(const MigratePlace *place, uint64_t page)
{
    return is_laid(place, page) ? place->block->view + page * PAGE_BYTES
                                : NULL;
}

static bool
write_to_file(const MigrateBlock *block, uint64_t page, const uint8_t *bytes,
              size_t length, GError **error)
{
    off_t at = (off_t)(block->file_offset + page * PAGE_BYTES);
    while (length > 0) {
        ssize_t n = pwrite(block->file, bytes, length, at);
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno,
                                   "store page %" G_GUINT64_FORMAT
                                   " of RAM block '%s'",
                                   page, block->name);
        }
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
            at += n;
        }
    }
    return true;
}

/* A page of a laid extent: pwrite, not our view, because a fault of the view would
 * map 2 MiB of it and count as our resident memory; the folio is there, so it
 * cannot fail for want of memory. A limit on the size of files (RLIMIT_FSIZE) is for
 * what write() does, and not for memory: there is another way. */
static bool
write_page(const MigratePlace *place, uint64_t page, const uint8_t *bytes,
           GError **error)
{
    const MigrateBlock *block = place->block;
    off_t at = (off_t)(block->file_offset + page * PAGE_BYTES);
    ssize_t n = pwrite(block->file, bytes, PAGE_BYTES, at);
    if (n == (ssize_t)PAGE_BYTES) {
        return true;
    }
    if (n >= 0 || errno == EFBIG) { /* the page that the limit lies in */
        memcpy(block->view + page * PAGE_BYTES, bytes, PAGE_BYTES);
        return true;
    }
    return write_to_file(block, page, bytes, PAGE_BYTES, error);
}

/* One page of a small extent. EXISTS: the page cache has a page there that we
 * did not put (a write by QEMU before it was armed was punched out; what is
 * left is a kernel race on a zero page); it is ours to fill, and unmapped. */
static UffdOutcome
copy_page(const MigratePlace *place, uint64_t page, const uint8_t *bytes)
{
    if (!migrate_shortage_allows_page(place->shortage)) {
        return UFFD_NO_ROOM;
    }
    UffdOutcome outcome =
        uffd_fd_copy(place->uffd, hva_of(place, page), bytes, PAGE_BYTES);
    if (outcome != UFFD_EXISTS) {
        return outcome;
    }
    return write_to_file(place->block, page, bytes, PAGE_BYTES, NULL)
               ? uffd_map_page(place->uffd, hva_of(place, page))
               : UFFD_BROKEN;
}

/* Pages of a laid extent that nobody has mapped yet: zero again. */
static void
empty_pages(const MigratePlace *place, uint64_t page, unsigned n)
{
    const MigrateBlock *block = place->block;
    if (fallocate(block->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)(block->file_offset + page * PAGE_BYTES),
                  (off_t)(n * PAGE_BYTES)) < 0) {
        g_debug("a discarded page stays: %s", g_strerror(errno));
    }
}

/* In a small extent a zero page is a hole, and to map it takes a page; what is
 * in the file takes none. */
static UffdOutcome
show_page(const MigratePlace *place, uint64_t page)
{
    uint64_t hva = hva_of(place, page);
    if (is_laid(place, page) || migrate_shortage_allows_page(place->shortage)) {
        return uffd_map_page(place->uffd, hva);
    }
    UffdOutcome outcome = uffd_fd_continue(place->uffd, hva, PAGE_BYTES, NULL);
    return outcome == UFFD_NO_PAGE ? UFFD_NO_ROOM : outcome;
}

static UffdOutcome
wake_page(const MigratePlace *place, uint64_t page)
{
    return uffd_fd_wake(place->uffd, hva_of(place, page), PAGE_BYTES);
}

/* A page that was being filled when its filler died. In a laid extent nothing
 * is mapped before it is PRESENT, so it may be filled anew. In a small one the
 * bytes come by UFFDIO_COPY, which fills and maps in one step, and says
 * PRESENT after it: a page that the file has is final, the guest may have
 * written to it since, and must never be filled again. */
static bool
has_kept(const MigratePlace *place, uint64_t page)
{
    const MigrateBlock *block = place->block;
    off_t at = (off_t)(block->file_offset + page * PAGE_BYTES);
    return !is_laid(place, page) && lseek(block->file, at, SEEK_DATA) == at;
}

const MigratePlacer migrate_placer_file = {
    .room = find_room,
    .write = write_page,
    .copy = copy_page,
    .empty = empty_pages,
    .show = show_page,
    .wake = wake_page,
    .has_kept = has_kept,
};
