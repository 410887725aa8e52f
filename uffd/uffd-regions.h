/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fault address -> (RAM block, page in it). Built once before faults come,
 * read-only and lock-free afterwards.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct UffdRegions UffdRegions;

UffdRegions *uffd_regions_new(void);
void uffd_regions_free(UffdRegions *regions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UffdRegions, uffd_regions_free)

/* Adds RAM block BLOCK, mapped at HVA for BYTES. False (STATE) if it overlaps
 * one that is there or does not fit in 64 bits. */
bool uffd_regions_add(UffdRegions *regions, unsigned block, uint64_t hva,
                      uint64_t bytes, GError **error);

/* False if HVA is in no block; otherwise which block and which 4 KiB page. */
bool uffd_regions_find(const UffdRegions *regions, uint64_t hva,
                       unsigned *block, uint64_t *page);
