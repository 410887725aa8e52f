/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Latencies in buckets: 16 per power of two, so a percentile is right within
 * 6.25%. Fixed size, no allocation; one writer per histogram (the thread that
 * owns it), merged by whoever reports.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

typedef struct {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint32_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add(Histogram *histogram, uint64_t ns);
void histogram_merge(Histogram *into, const Histogram *from);

/* Mean in ns; 0 when empty. */
uint64_t histogram_mean_ns(const Histogram *histogram);

/* The upper edge of the bucket that holds the value below which FRACTION
 * (0..1) of all values lie, never above the maximum; 0 when empty. */
uint64_t histogram_quantile_ns(const Histogram *histogram, double fraction);
