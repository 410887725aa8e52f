/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The frames of the zero pages: see collapse-zero.h.
 */
#include "collapse/collapse-zero.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-compat.h"

/* Any two extents of address space are whole and aligned within three. */
#define ROOM_BYTES (3 * EXTENT_BYTES)

/* What pages the kernel gives for two first reads. A zero page is what both of
 * them get. A kernel that has none for us gives each a page of its own, and its
 * frame is soon somebody's data: it must not be taken for the zero page's. */
typedef struct {
    CollapseZeroLook look;
    gpointer data;
} Eyes;

static void *
zero_map(uint64_t bytes)
{
    return mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool
look_in_pagemap(gpointer data, uint64_t hva, uint64_t *entries, size_t n)
{
    (void)*(volatile uint8_t *)(uintptr_t)hva;
    ssize_t bytes = (ssize_t)(n * sizeof *entries);
    return pread(*(int *)data, entries, (size_t)bytes,
                 (off_t)(hva / PAGE_BYTES * sizeof *entries)) == bytes;
}

/* Where the kernel does not tell frames, all are 0. */
static uint64_t
small_frame(Eyes eyes, uint64_t hva)
{
    uint64_t entry = 0;
    bool ok = eyes.look(eyes.data, hva, &entry, 1);
    return ok && entry & COLLAPSE_ENTRY_PRESENT ? entry & COLLAPSE_ENTRY_FRAME
                                                : 0;
}

static uint64_t
find_small(Eyes eyes)
{
    void *pages = zero_map(2 * PAGE_BYTES);
    if (pages == MAP_FAILED) {
        return 0;
    }
    madvise(pages, 2 * PAGE_BYTES, MADV_NOHUGEPAGE);
    uint64_t first = small_frame(eyes, (uintptr_t)pages);
    uint64_t second = small_frame(eyes, (uintptr_t)pages + PAGE_BYTES);
    munmap(pages, 2 * PAGE_BYTES);
    return first == second ? first : 0;
}

/* The first frame of the huge page at HVA; 0 if it is none. Where the kernel
 * gave a small one instead, all entries but the first are empty. */
static uint64_t
huge_frame(Eyes eyes, uint64_t hva)
{
    uint64_t entries[PAGES_PER_EXTENT];
    if (!eyes.look(eyes.data, hva, entries, PAGES_PER_EXTENT)) {
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

/* The first stays mapped meanwhile, so a frame cannot come back as the second's
 * by chance. */
static uint64_t
find_huge(Eyes eyes, uint64_t hva)
{
    uint64_t first = huge_frame(eyes, hva);
    return first && huge_frame(eyes, hva + EXTENT_BYTES) == first ? first : 0;
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

static uint64_t
extents_in(const CollapseZero *zero)
{
    return range_round_down((uintptr_t)zero->room + EXTENT_BYTES - 1,
                            EXTENT_BYTES);
}

void
collapse_zero_open_by(CollapseZero *zero, CollapseZeroLook look, gpointer data)
{
    const Eyes eyes = {look, data};
    *zero =
        (CollapseZero){.small = find_small(eyes), .room = zero_map(ROOM_BYTES)};
    if (zero->room == MAP_FAILED) {
        return;
    }
    uint64_t hva = extents_in(zero);
    madvise((void *)(uintptr_t)hva, 2 * EXTENT_BYTES, MADV_HUGEPAGE);
    zero->huge = find_huge(eyes, hva);
    if (!zero->huge) {
        /* What was read may be memory of our own, 4 MiB of it. */
        collapse_zero_close(zero);
        zero->room = MAP_FAILED;
    }
}

void
collapse_zero_open(CollapseZero *zero)
{
    autofd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    collapse_zero_open_by(zero, look_in_pagemap, &pagemap);
    zero->hidden = zero->huge && is_hidden(pagemap, extents_in(zero));
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
