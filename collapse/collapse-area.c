/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Choosing areas: see collapse-area.h.
 */
#include "collapse/collapse-area.h"

#include <stdlib.h>
#include <string.h>

#include "base/proc-maps.h"

/* Mappings smaller than this part of the largest are stacks, heaps, ROMs. */
#define LARGE_PART 8
/* A DIMM can be smaller than that. Linux in the guest takes none that is
 * smaller than a section of memory, on x86 this much; ROMs and video RAM seldom
 * are as large. */
#define DIMM_BYTES (UINT64_C(128) << 20)

void
collapse_area_facts(pid_t pid, CollapseFacts *facts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *status = NULL, *shmem = NULL;
    *facts = (CollapseFacts){0};
    if (g_file_get_contents(path, &status, NULL, NULL)) {
        const char *line = strstr(status, "\nTHP_enabled:");
        facts->thp_disabled =
            line && atoi(line + strlen("\nTHP_enabled:")) == 0;
    }
    if (g_file_get_contents(
            "/sys/kernel/mm/transparent_hugepage/shmem_enabled", &shmem, NULL,
            NULL)) {
        facts->shmem_denied = strstr(shmem, "[deny]") != NULL;
    }
}

/* Of a device (VFIO maps its BARs): no page of RAM is behind it, and it can be
 * larger than all of that. */
static bool
is_device(const ProcMapping *m)
{
    return proc_mapping_has_flag(m, "io") || proc_mapping_has_flag(m, "pf");
}

/* Executable memory is the code that TCG made: as large as guest RAM can be,
 * but written all the time and of no use to anybody when it is huge. */
static bool
is_data(const ProcMapping *m)
{
    return m->readable && m->writable && !m->executable && !is_device(m) &&
           m->end - m->start >= EXTENT_BYTES &&
           (m->path[0] != '[' || g_str_has_prefix(m->path, "[anon"));
}

/* QEMU asks for huge pages for all memory of the guest (ram_block_add() in its
 * physmem.c), and for nothing else that is data. */
static bool
is_dimm(const ProcMapping *m)
{
    return m->end - m->start >= DIMM_BYTES && proc_mapping_has_flag(m, "hg");
}

static void
append_range(GArray *ranges, uint64_t start, uint64_t end)
{
    Range range = {.start = start, .bytes = end - start};
    g_array_append_val(ranges, range);
}

static uint64_t
largest_bytes(GArray *mappings)
{
    uint64_t largest = 0;
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        if (is_data(m)) {
            largest = MAX(largest, m->end - m->start);
        }
    }
    return largest;
}

static GArray *
at_least(GArray *mappings, uint64_t bytes)
{
    GArray *ranges = g_array_new(false, false, sizeof(Range));
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        if (is_data(m) && (m->end - m->start >= bytes || is_dimm(m))) {
            append_range(ranges, m->start, m->end);
        }
    }
    return ranges;
}

GArray *
collapse_area_largest(GArray *mappings)
{
    return at_least(mappings, largest_bytes(mappings) / LARGE_PART);
}

GArray *
collapse_area_all(GArray *mappings)
{
    return at_least(mappings, EXTENT_BYTES);
}

/* Two parts of what was mapped as one: the kernel splits a mapping when only a
 * part of it is advised, bound to a node or locked. */
static bool
is_continued(const ProcMapping *a, const ProcMapping *b)
{
    return a->end == b->start && a->inode == b->inode &&
           a->shared == b->shared && is_data(b) &&
           (a->inode == 0 || a->offset + (a->end - a->start) == b->offset);
}

bool
collapse_area_by_size(GArray *mappings, uint64_t bytes, GArray *ranges)
{
    bool found = false;
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *first = &g_array_index(mappings, ProcMapping, i);
        if (!is_data(first)) {
            continue;
        }
        const ProcMapping *last = first;
        for (guint j = i + 1;
             j < mappings->len && last->end - first->start < bytes; j++) {
            const ProcMapping *m = &g_array_index(mappings, ProcMapping, j);
            if (!is_continued(last, m)) {
                break;
            }
            last = m;
        }
        if (last->end - first->start == bytes) {
            append_range(ranges, first->start, last->end);
            found = true;
        }
    }
    return found;
}

static CollapseOutcome
area_hindrance(const ProcMapping *m, const CollapseFacts *facts)
{
    if (proc_mapping_has_flag(m, "ht")) {
        return COLLAPSE_OUTCOME_HUGETLB;
    }
    if (facts->thp_disabled) {
        return COLLAPSE_OUTCOME_DISABLED;
    }
    if (proc_mapping_has_flag(m, "um") || proc_mapping_has_flag(m, "ui")) {
        return COLLAPSE_OUTCOME_USERFAULTFD;
    }
    if (proc_mapping_has_flag(m, "nh")) {
        return COLLAPSE_OUTCOME_NOHUGEPAGE;
    }
    if (m->inode && !m->shared) {
        return COLLAPSE_OUTCOME_PRIVATE_FILE;
    }
    if (m->inode && facts->shmem_denied) {
        return COLLAPSE_OUTCOME_DENIED;
    }
    /* A huge folio lies at a multiple of 2 MiB of its file. */
    if (m->inode && (m->start - m->offset) % EXTENT_BYTES) {
        return COLLAPSE_OUTCOME_MISALIGNED;
    }
    return COLLAPSE_OUTCOME_WAITING;
}

static void
append_area(GArray *areas, const ProcMapping *m, uint64_t start, uint64_t end,
            const CollapseFacts *facts)
{
    uint64_t first = range_units(start, EXTENT_BYTES) * EXTENT_BYTES;
    uint64_t last = range_round_down(end, EXTENT_BYTES);
    if (last <= first) {
        return;
    }
    CollapseArea area = {
        .hva = first,
        .extents = (last - first) / EXTENT_BYTES,
        .offset = m->offset + (first - m->start),
        .inode = m->inode,
        .dev_major = m->dev_major,
        .dev_minor = m->dev_minor,
        .shared = m->shared,
        .huge_bytes =
            m->anon_huge_bytes + m->shmem_huge_bytes + m->file_huge_bytes,
        .hindrance = area_hindrance(m, facts),
    };
    g_array_append_val(areas, area);
}

static int
by_start(gconstpointer a, gconstpointer b)
{
    const Range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

GArray *
collapse_area_list(GArray *mappings, GArray *ranges,
                   const CollapseFacts *facts)
{
    GArray *areas = g_array_new(false, false, sizeof(CollapseArea));
    g_array_sort(ranges, by_start);
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        /* Ranges may overlap (two blocks of one size, found by size). */
        uint64_t done = m->start;
        for (guint j = 0; j < ranges->len; j++) {
            const Range *range = &g_array_index(ranges, Range, j);
            uint64_t end;
            if (!range_end(range, &end)) {
                continue;
            }
            uint64_t from = MAX(range->start, done);
            uint64_t to = MIN(end, m->end);
            if (from < to) {
                append_area(areas, m, from, to, facts);
                done = to;
            }
        }
    }
    return areas;
}
