/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The frames of the zero pages: see collapse-zero.h.
 */
#include "collapse/collapse-zero.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-compat.h"

/* Any 2 MiB of address space are whole and aligned within 4. */
#define ROOM_BYTES (2 * EXTENT_BYTES)

static void *
map(uint64_t bytes)
{
    return mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Reads the memory at HVA, and then what N of its pages are on. */
static bool
read_entries(int pagemap, uint64_t hva, uint64_t *entries, size_t n)
{
    (void)*(volatile uint8_t *)(uintptr_t)hva;
    ssize_t bytes = (ssize_t)(n * sizeof *entries);
    return pread(pagemap, entries, (size_t)bytes,
                 (off_t)(hva / PAGE_BYTES * sizeof *entries)) == bytes;
}

static uint64_t
find_small(int pagemap)
{
    uint64_t entry = 0;
    void *page = map(PAGE_BYTES);
    if (page == MAP_FAILED) {
        return 0;
    }
    bool ok = read_entries(pagemap, (uintptr_t)page, &entry, 1);
    munmap(page, PAGE_BYTES);
    return ok && entry & COLLAPSE_ENTRY_PRESENT ? entry & COLLAPSE_ENTRY_FRAME
                                                : 0;
}

/* Where the kernel gave the small one instead, all entries but the first are
 * empty; where it does not tell frames, all are 0. */
static uint64_t
find_huge(int pagemap, uint64_t hva)
{
    uint64_t entries[PAGES_PER_EXTENT];
    if (!read_entries(pagemap, hva, entries, PAGES_PER_EXTENT)) {
        return 0;
    }
    uint64_t first = entries[0] & COLLAPSE_ENTRY_FRAME;
    bool huge = first % PAGES_PER_EXTENT == 0;
    for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
        huge = huge && entries[i] & COLLAPSE_ENTRY_PRESENT &&
               (entries[i] & COLLAPSE_ENTRY_FRAME) == first + i;
    }
    return huge ? first : 0;
}

/* Our own is at HVA: does the kernel say that it is one? */
static bool
is_hidden(int pagemap, uint64_t hva)
{
    CollapsePagemapRegion region;
    CollapsePagemapScan arg = {
        .size = sizeof arg,
        .start = hva,
        .end = hva + EXTENT_BYTES,
        .vec = (uintptr_t)&region,
        .vec_len = 1,
        .category_mask = COLLAPSE_PAGE_HUGE | COLLAPSE_PAGE_PFNZERO,
        .return_mask = COLLAPSE_PAGE_HUGE,
    };
    return ioctl(pagemap, COLLAPSE_PAGEMAP_SCAN, &arg) == 0;
}

void
collapse_zero_open(CollapseZero *zero)
{
    autofd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    *zero = (CollapseZero){.small = find_small(pagemap),
                           .room = map(ROOM_BYTES)};
    if (zero->room == MAP_FAILED) {
        return;
    }
    uint64_t hva = range_round_down((uintptr_t)zero->room + EXTENT_BYTES - 1,
                                    EXTENT_BYTES);
    madvise((void *)(uintptr_t)hva, EXTENT_BYTES, MADV_HUGEPAGE);
    zero->huge = find_huge(pagemap, hva);
    zero->hidden = zero->huge && is_hidden(pagemap, hva);
}

void
collapse_zero_close(CollapseZero *zero)
{
    if (zero->room != MAP_FAILED) {
        munmap(zero->room, ROOM_BYTES);
    }
}

bool
collapse_zero_is(const CollapseZero *zero, uint64_t entry)
{
    uint64_t frame = entry & COLLAPSE_ENTRY_FRAME;
    if (!(entry & COLLAPSE_ENTRY_PRESENT) || frame == 0) {
        return false;
    }
    return frame == zero->small ||
           (zero->huge && frame - zero->huge < PAGES_PER_EXTENT);
}
