/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page and extent arithmetic, and address ranges. A page is 4 KiB; an extent
 * is 2 MiB, aligned: what one huge page can map. Pure, inline, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES UINT64_C(4096)
#define EXTENT_BYTES (UINT64_C(2) << 20)
#define PAGES_PER_EXTENT ((unsigned)(EXTENT_BYTES / PAGE_BYTES))

/* A half-open range [start, start + bytes). Whether the numbers are HVAs or
 * file offsets is for the holder's name to say. */
typedef struct {
    uint64_t start;
    uint64_t bytes;
} Range;

static inline bool
range_is_aligned(uint64_t value, uint64_t unit)
{
    return value % unit == 0;
}

static inline uint64_t
range_round_down(uint64_t value, uint64_t unit)
{
    return value - value % unit;
}

/* How many units of UNIT bytes it takes to hold BYTES. Never overflows. */
static inline uint64_t
range_units(uint64_t bytes, uint64_t unit)
{
    return bytes / unit + (bytes % unit != 0);
}

/* False if the end of the range does not fit in 64 bits. */
static inline bool
range_end(const Range *range, uint64_t *end)
{
    return !__builtin_add_overflow(range->start, range->bytes, end);
}

static inline bool
range_contains(const Range *range, uint64_t value)
{
    return value >= range->start && value - range->start < range->bytes;
}

static inline bool
range_overlaps(const Range *a, const Range *b)
{
    return a->start <= b->start ? b->start - a->start < a->bytes
                                : a->start - b->start < b->bytes;
}
