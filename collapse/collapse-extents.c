/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Per-extent coverage: see collapse-extents.h.
 */
#include "collapse/collapse-extents.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-zero.h"

#define REGIONS 1024

typedef enum {
    BY_SCAN,
    BY_SCAN_AND_FRAMES,
    BY_PAGEMAP,
} Way;

/* How the process is looked at. */
typedef struct {
    int pagemap;
    Way way;
    CollapseZero zero;
} View;

/* The extents of one area, and the array they are in. */
typedef struct {
    CollapseExtent *first;
    CollapseArea *area;
} Span;

/* The number of entries read, or -1. */
static ssize_t
read_entries(const View *view, uint64_t hva, uint64_t *entries, size_t n)
{
    ssize_t bytes = pread(view->pagemap, entries, n * sizeof *entries,
                          (off_t)(hva / PAGE_BYTES * sizeof *entries));
    return bytes < 0 ? -1 : bytes / (ssize_t)sizeof *entries;
}

/* By the frame it costs a call for each huge extent, 0.8 s for 1 TiB: only
 * where the scan cannot be believed, and of memory that could have the huge
 * zero page. */
static bool
is_zero(const View *view, const Span *span,
        const CollapsePagemapRegion *region, uint64_t hva)
{
    uint64_t entry;
    if (view->way == BY_SCAN || span->area->inode ||
        !(region->categories & COLLAPSE_PAGE_HUGE)) {
        return region->categories & COLLAPSE_PAGE_PFNZERO;
    }
    return read_entries(view, hva, &entry, 1) == 1 &&
           collapse_zero_is(&view->zero, entry);
}

/* Pages that map a zero page are holes with a hat on: a collapse would take
 * 2 MiB for nothing. */
static void
extents_note(const View *view, Span *span, const CollapsePagemapRegion *region)
{
    uint64_t at = region->start;
    while (at < region->end) {
        uint64_t index = (at - span->area->hva) / EXTENT_BYTES;
        CollapseExtent *extent = &span->first[index];
        uint64_t end = MIN(region->end, extent->hva + EXTENT_BYTES);
        bool data = !is_zero(view, span, region, at);
        extent->pages += data ? (uint16_t)((end - at) / PAGE_BYTES) : 0;
        if (data && region->categories & COLLAPSE_PAGE_HUGE) {
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
extents_scan(const View *view, Span *span)
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
        int n = ioctl(view->pagemap, COLLAPSE_PAGEMAP_SCAN, &arg);
        if (n < 0) {
            return errno;
        }
        for (int i = 0; i < n; i++) {
            extents_note(view, span, &regions[i]);
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

/* See extents_note(). Where frames are not told, the zero pages count as data.
 */
static bool
holds_data(const View *view, uint64_t entry)
{
    return (entry & (COLLAPSE_ENTRY_PRESENT | COLLAPSE_ENTRY_SWAPPED)) &&
           !collapse_zero_is(&view->zero, entry);
}

/* 0 or an errno value. The page table entries say what is there; whether they
 * are one huge entry only smaps knows, for the mapping as a whole: all, none,
 * or some, and then each extent is tried: the kernel answers at once for those
 * that are huge. */
static int
read_old(const View *view, Span *span)
{
    uint64_t entries[PAGES_PER_EXTENT], populated = 0;
    for (uint64_t e = 0; e < span->area->extents; e++) {
        CollapseExtent *extent = &span->first[e];
        ssize_t n = read_entries(view, extent->hva, entries,
                                 PAGES_PER_EXTENT);
        if (n < 0) {
            return errno;
        }
        for (ssize_t i = 0; i < n; i++) {
            extent->pages += holds_data(view, entries[i]);
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
extents_judge(Span *span)
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

/* 0 or an errno value. */
static int
look_at_areas(View *view, GArray *areas, GArray *extents)
{
    uint64_t at = 0;
    for (guint a = 0; a < areas->len; a++) {
        Span span = {.area = &g_array_index(areas, CollapseArea, a),
                     .first = &g_array_index(extents, CollapseExtent, at)};
        int failed =
            view->way == BY_PAGEMAP ? ENOTTY : extents_scan(view, &span);
        if (failed == ENOTTY) {
            view->way = BY_PAGEMAP;
            failed = read_old(view, &span);
        }
        if (failed) {
            return failed;
        }
        extents_judge(&span);
        at += span.area->extents;
    }
    return 0;
}

static GArray *
extents_look(pid_t pid, GArray *areas, Way way, GError **error)
{
    autofd pagemap = open_pagemap(pid, error);
    if (pagemap < 0) {
        return NULL;
    }
    View view = {.pagemap = pagemap, .way = way};
    g_autoptr(GArray) extents = all_extents(areas);
    collapse_zero_open(&view.zero);
    if (way == BY_SCAN && view.zero.hidden) {
        view.way = BY_SCAN_AND_FRAMES;
    }
    int failed = look_at_areas(&view, areas, extents);
    collapse_zero_close(&view.zero);
    if (failed) {
        error_set_errno(error, failed,
                        "cannot walk the page tables of process %d", (int)pid);
        return NULL;
    }
    return g_steal_pointer(&extents);
}

GArray *
collapse_extents_look(pid_t pid, GArray *areas, GError **error)
{
    return extents_look(pid, areas, BY_SCAN, error);
}

GArray *
collapse_extents_look_frames(pid_t pid, GArray *areas, GError **error)
{
    return extents_look(pid, areas, BY_SCAN_AND_FRAMES, error);
}

GArray *
collapse_extents_look_old(pid_t pid, GArray *areas, GError **error)
{
    return extents_look(pid, areas, BY_PAGEMAP, error);
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
