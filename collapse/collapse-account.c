/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Coverage from smaps: see collapse-account.h. Slow on a large guest (the
 * kernel walks the page tables), so for reports, not for pacing.
 */
#include "collapse/collapse-account.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/proc-maps.h"
#include "base/range.h"

bool
collapse_account_range(pid_t pid, uint64_t hva, uint64_t bytes,
                       CollapseCoverage *coverage, GError **error)
{
    g_autoptr(GArray) mappings = proc_maps_read(pid, true, error);
    if (!mappings) {
        return false;
    }
    Range wanted = {.start = hva, .bytes = bytes};
    bool found = false;
    *coverage = (CollapseCoverage){0};
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        Range here = {.start = m->start, .bytes = m->end - m->start};
        if (range_overlaps(&here, &wanted)) {
            found = true;
            coverage->rss_bytes += m->rss_bytes;
            coverage->huge_bytes += m->anon_huge_bytes + m->shmem_huge_bytes +
                                    m->file_huge_bytes;
        }
    }
    return found ||
           error_set(error, ERROR_STATE,
                     "process %d has nothing mapped at %#" PRIx64
                     ": is it the right process, and is it still up?",
                     (int)pid, hva);
}

void
collapse_account_areas(pid_t pid, GArray *areas)
{
    for (guint i = 0; i < areas->len; i++) {
        CollapseArea *area = &g_array_index(areas, CollapseArea, i);
        CollapseCoverage coverage;
        if (collapse_account_range(pid, area->hva,
                                   area->extents * EXTENT_BYTES, &coverage,
                                   NULL)) {
            area->huge_bytes = coverage.huge_bytes;
        }
    }
}
