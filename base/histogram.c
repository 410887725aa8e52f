/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Latency buckets: see histogram.h.
 */
#include "base/histogram.h"

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

/* Values below SUB_COUNT have a bucket each; above, the leading bit names the
 * group and the next HISTOGRAM_SUB_BITS bits the bucket in it. */
static unsigned
bucket_of(uint64_t ns)
{
    if (ns < SUB_COUNT) {
        return (unsigned)ns;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) +
           (unsigned)((ns >> shift) & (SUB_COUNT - 1));
}

static uint64_t
upper_edge(unsigned bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t base = SUB_COUNT + (bucket & (SUB_COUNT - 1));
    return ((base + 1) << shift) - 1;
}

void
histogram_add(Histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
    histogram->buckets[bucket_of(ns)]++;
}

void
histogram_merge(Histogram *into, const Histogram *from)
{
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

uint64_t
histogram_mean_ns(const Histogram *histogram)
{
    return histogram->count ? histogram->sum_ns / histogram->count : 0;
}

uint64_t
histogram_quantile_ns(const Histogram *histogram, double fraction)
{
    if (histogram->count == 0) {
        return 0;
    }
    double rank = fraction * (double)histogram->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (histogram->buckets[i] && (double)seen >= rank) {
            uint64_t edge = upper_edge(i);
            return edge < histogram->max_ns ? edge : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
