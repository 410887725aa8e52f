/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM blocks by HVA: see uffd-regions.h. A sorted array and a binary search:
 * a guest has a handful of blocks, and the fault path must not allocate.
 */
#include "uffd/uffd-regions.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/range.h"

typedef struct {
    Range hva;
    unsigned block;
} Region;

struct UffdRegions {
    GArray *sorted; /* of Region, by hva.start, disjoint */
};

UffdRegions *
uffd_regions_new(void)
{
    UffdRegions *regions = g_new0(UffdRegions, 1);
    regions->sorted = g_array_new(false, false, sizeof(Region));
    return regions;
}

void
uffd_regions_free(UffdRegions *regions)
{
    if (regions) {
        g_array_unref(regions->sorted);
        g_free(regions);
    }
}

/* How many regions start at or below HVA: the last of them is the only one
 * that can contain it. */
static guint
count_up_to(const UffdRegions *regions, uint64_t hva)
{
    guint low = 0, high = regions->sorted->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(regions->sorted, Region, middle).hva.start <= hva) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const Region *
regions_overlapping(const UffdRegions *regions, const Range *range)
{
    for (guint i = 0; i < regions->sorted->len; i++) {
        const Region *region = &g_array_index(regions->sorted, Region, i);
        if (range_overlaps(&region->hva, range)) {
            return region;
        }
    }
    return NULL;
}

bool
uffd_regions_add(UffdRegions *regions, unsigned block, uint64_t hva,
                 uint64_t bytes, GError **error)
{
    Region region = {.hva = {.start = hva, .bytes = bytes}, .block = block};
    uint64_t end;
    if (bytes == 0 || !range_end(&region.hva, &end)) {
        return error_set(error, ERROR_STATE,
                         "RAM block %u cannot be %" PRIu64 " bytes at %#"
                         PRIx64, block, bytes, hva);
    }
    const Region *other = regions_overlapping(regions, &region.hva);
    if (other) {
        return error_set(error, ERROR_STATE,
                         "RAM block %u at %#" PRIx64 " overlaps RAM block %u "
                         "at %#" PRIx64, block, hva, other->block,
                         other->hva.start);
    }
    g_array_insert_val(regions->sorted, count_up_to(regions, hva), region);
    return true;
}

bool
uffd_regions_find(const UffdRegions *regions, uint64_t hva, unsigned *block,
                  uint64_t *page)
{
    guint n = count_up_to(regions, hva);
    if (n == 0) {
        return false;
    }
    const Region *region = &g_array_index(regions->sorted, Region, n - 1);
    if (!range_contains(&region->hva, hva)) {
        return false;
    }
    *block = region->block;
    *page = (hva - region->hva.start) / PAGE_BYTES;
    return true;
}
