/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Per-extent coverage: see collapse-extents.h.
 */
#include "collapse/collapse-extents.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-compat.h"

#define REGIONS 1024
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_FRAME ((UINT64_C(1) << 55) - 1) /* 0 without CAP_SYS_ADMIN */

/* The extents of one area, and the array they are in. */
typedef struct {
    CollapseExtent *first;
    CollapseArea *area;
} Span;

/* Pages that map the zero page are holes with a hat on: a collapse would take
 * 2 MiB for nothing. */
static void
note(Span *span, const CollapsePagemapRegion *region)
{
    if (region->categories & COLLAPSE_PAGE_PFNZERO) {
        return;
    }
    uint64_t at = region->start;
    while (at < region->end) {
        uint64_t index = (at - span->area->hva) / EXTENT_BYTES;
        CollapseExtent *extent = &span->first[index];
        uint64_t end = MIN(region->end, extent->hva + EXTENT_BYTES);
        extent->pages += (uint16_t)((end - at) / PAGE_BYTES);
        if (region->categories & COLLAPSE_PAGE_HUGE) {
            extent->outcome = COLLAPSE_OUTCOME_ALREADY;
        }
        at = end;
    }
}

static uint64_t
count_huge(const Span *span)
{
    uint64_t n = 0;
    for (uint64_t e = 0; e < span->area->extents; e++) {
        n += span->first[e].outcome == COLLAPSE_OUTCOME_ALREADY;
    }
    return n;
}

/* 0 or an errno value. */
static int
scan(int pagemap, Span *span)
{
    g_autofree CollapsePagemapRegion *regions =
        g_new(CollapsePagemapRegion, REGIONS);
    const uint64_t any = COLLAPSE_PAGE_PRESENT | COLLAPSE_PAGE_SWAPPED |
                         COLLAPSE_PAGE_HUGE;
    CollapsePagemapScan arg = {
        .size = sizeof arg,
        .start = span->area->hva,
        .end = span->area->hva + span->area->extents * EXTENT_BYTES,
        .vec = (uintptr_t)regions,
        .vec_len = REGIONS,
        .category_anyof_mask = any,
        .return_mask = any | COLLAPSE_PAGE_PFNZERO,
    };
    while (arg.start < arg.end) {
        int n = ioctl(pagemap, COLLAPSE_PAGEMAP_SCAN, &arg);
        if (n < 0) {
            return errno;
        }
        for (int i = 0; i < n; i++) {
            note(span, &regions[i]);
        }
        if (arg.walk_end <= arg.start) {
            break;
        }
        arg.start = arg.walk_end;
    }
    span->area->huge_bytes = count_huge(span) * EXTENT_BYTES;
    return 0;
}

bool
collapse_extents_can_scan(void)
{
    CollapsePagemapScan nothing = {.size = sizeof nothing};
    autofd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return pagemap >= 0 &&
           (ioctl(pagemap, COLLAPSE_PAGEMAP_SCAN, &nothing) == 0 ||
            errno != ENOTTY);
}

/* The frame that a page of ours is on which was only read. */
static uint64_t
find_zero_frame(void)
{
    uint64_t entry = 0;
    uint8_t *page = mmap(NULL, PAGE_BYTES, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    autofd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (page == MAP_FAILED) {
        return 0;
    }
    (void)*(volatile uint8_t *)page;
    off_t at = (off_t)((uintptr_t)page / PAGE_BYTES * sizeof entry);
    ssize_t n = pread(pagemap, &entry, sizeof entry, at);
    munmap(page, PAGE_BYTES);
    return n == sizeof entry && entry & PAGEMAP_PRESENT
               ? entry & PAGEMAP_FRAME
               : 0;
}

/* The kernel has one for good. */
static uint64_t
zero_frame(void)
{
    static gsize plus_one;
    if (g_once_init_enter(&plus_one)) {
        g_once_init_leave(&plus_one, find_zero_frame() + 1);
    }
    return plus_one - 1;
}

/* See note(). Where frames are not told, the zero page counts as data. */
static bool
holds_data(uint64_t entry, uint64_t zero)
{
    bool is_zero = zero && entry & PAGEMAP_PRESENT &&
                   (entry & PAGEMAP_FRAME) == zero;
    return (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) && !is_zero;
}

/* 0 or an errno value. The page table entries say what is there; whether they
 * are one huge entry only smaps knows, for the mapping as a whole: all, none,
 * or some, and then each extent is tried: the kernel answers at once for those
 * that are huge. */
static int
read_old(int pagemap, Span *span)
{
    uint64_t entries[PAGES_PER_EXTENT], populated = 0;
    uint64_t zero = zero_frame();
    for (uint64_t e = 0; e < span->area->extents; e++) {
        CollapseExtent *extent = &span->first[e];
        ssize_t n = pread(pagemap, entries, sizeof entries,
                          (off_t)(extent->hva / PAGE_BYTES *
                                  sizeof entries[0]));
        if (n < 0) {
            return errno;
        }
        for (size_t i = 0; i < (size_t)n / sizeof entries[0]; i++) {
            extent->pages += holds_data(entries[i], zero);
        }
        populated += extent->pages > 0;
    }
    bool all = populated &&
               span->area->huge_bytes >= populated * EXTENT_BYTES;
    for (uint64_t e = 0; all && e < span->area->extents; e++) {
        span->first[e].outcome = COLLAPSE_OUTCOME_ALREADY;
    }
    return 0;
}

static void
judge(Span *span)
{
    for (uint64_t e = 0; e < span->area->extents; e++) {
        CollapseExtent *extent = &span->first[e];
        if (extent->pages == 0) {
            extent->outcome = COLLAPSE_OUTCOME_EMPTY;
        } else if (extent->outcome == COLLAPSE_OUTCOME_WAITING) {
            extent->outcome = (uint8_t)span->area->hindrance;
        }
    }
}

static int
open_pagemap(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOENT) {
        error_set(error, ERROR_VM_GONE, "there is no process %d", (int)pid);
    } else {
        error_set_errno(error, errno,
                        "cannot read the page tables of process %d (%s); run "
                        "as root",
                        (int)pid, path);
    }
    return -1;
}

static GArray *
all_extents(GArray *areas)
{
    GArray *extents = g_array_new(false, true, sizeof(CollapseExtent));
    for (guint a = 0; a < areas->len; a++) {
        const CollapseArea *area = &g_array_index(areas, CollapseArea, a);
        for (uint64_t e = 0; e < area->extents; e++) {
            CollapseExtent extent = {.hva = area->hva + e * EXTENT_BYTES,
                                     .area = a};
            g_array_append_val(extents, extent);
        }
    }
    return extents;
}

static GArray *
look(pid_t pid, GArray *areas, bool may_scan, GError **error)
{
    autofd pagemap = open_pagemap(pid, error);
    if (pagemap < 0) {
        return NULL;
    }
    g_autoptr(GArray) extents = all_extents(areas);
    uint64_t at = 0;
    for (guint a = 0; a < areas->len; a++) {
        Span span = {.area = &g_array_index(areas, CollapseArea, a),
                     .first = &g_array_index(extents, CollapseExtent, at)};
        int failed = may_scan ? scan(pagemap, &span) : ENOTTY;
        if (failed == ENOTTY) {
            may_scan = false;
            failed = read_old(pagemap, &span);
        }
        if (failed) {
            error_set_errno(error, failed,
                            "cannot walk the page tables of process %d",
                            (int)pid);
            return NULL;
        }
        judge(&span);
        at += span.area->extents;
    }
    return g_steal_pointer(&extents);
}

GArray *
collapse_extents_look(pid_t pid, GArray *areas, GError **error)
{
    return look(pid, areas, true, error);
}

GArray *
collapse_extents_look_old(pid_t pid, GArray *areas, GError **error)
{
    return look(pid, areas, false, error);
}

/* Of an area of which only smaps knows how much is huge, not where. */
static uint64_t
huge_of_area(const CollapseArea *area, const CollapseCount *seen)
{
    uint64_t told = MIN(area->huge_bytes / EXTENT_BYTES, seen->populated);
    return MAX(told, seen->huge);
}

void
collapse_extents_count(GArray *extents, GArray *areas, CollapseCount *count)
{
    g_autofree CollapseCount *seen = g_new0(CollapseCount, areas->len);
    *count = (CollapseCount){.extents = extents->len};
    for (guint i = 0; i < extents->len; i++) {
        const CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
        bool huge = e->outcome == COLLAPSE_OUTCOME_ALREADY ||
                    e->outcome == COLLAPSE_OUTCOME_DONE;
        seen[e->area].populated += e->pages > 0;
        seen[e->area].huge += huge && e->pages > 0;
    }
    for (guint a = 0; a < areas->len; a++) {
        count->populated += seen[a].populated;
        count->huge += huge_of_area(&g_array_index(areas, CollapseArea, a),
                                    &seen[a]);
    }
}
