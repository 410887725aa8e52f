/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The histogram against the sorted truth.
 */
#include "base/histogram.h"

#include <glib.h>
#include <string.h>

#define N 20000u

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The value at FRACTION is bounded from below by the truth and from above by
 * the truth and one sixteenth. */
static void
check_quantiles(const Histogram *h, uint64_t *values, unsigned n)
{
    static const double fractions[] = {0, 0.001, 0.25, 0.5,  0.9,
                                       0.99, 0.999, 0.9999, 1};
    qsort(values, n, sizeof *values, compare);
    for (unsigned i = 0; i < G_N_ELEMENTS(fractions); i++) {
        double rank = fractions[i] * n;
        unsigned at = (unsigned)rank;
        at = (double)at < rank ? at + 1 : at;
        uint64_t truth = values[at > 0 ? at - 1 : 0];
        uint64_t said = histogram_quantile_ns(h, fractions[i]);
        g_assert_cmpuint(said, >=, truth);
        g_assert_cmpuint(said - truth, <=, truth / 16);
        g_assert_cmpuint(said, <=, h->max_ns);
    }
}

static uint64_t
any_value(GRand *rand)
{
    uint64_t bits = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    return bits >> g_rand_int_range(rand, 0, 64);
}

static void
quantiles_are_bounded(void)
{
    g_autofree Histogram *h = g_new0(Histogram, 1);
    g_autofree uint64_t *values = g_new(uint64_t, N);
    GRand *rand = g_rand_new_with_seed(20240);
    for (unsigned i = 0; i < N; i++) {
        values[i] = any_value(rand);
        histogram_add(h, values[i]);
    }
    g_rand_free(rand);
    check_quantiles(h, values, N);
    g_assert_cmpuint(h->count, ==, N);
    g_assert_cmpuint(h->max_ns, ==, values[N - 1]);
}

static void
the_edges(void)
{
    static const uint64_t edges[] = {0,  1,  15, 16, 17, 31,
                                     32, 33, 63, UINT64_MAX - 1, UINT64_MAX};
    for (unsigned i = 0; i < G_N_ELEMENTS(edges); i++) {
        g_autofree Histogram *h = g_new0(Histogram, 1);
        histogram_add(h, edges[i]);
        g_assert_cmpuint(histogram_quantile_ns(h, 0.5), ==, edges[i]);
        g_assert_cmpuint(histogram_quantile_ns(h, 1), ==, edges[i]);
        g_assert_cmpuint(histogram_mean_ns(h), ==, edges[i]);
    }
}

static void
merged_is_as_if_added(void)
{
    g_autofree Histogram *a = g_new0(Histogram, 1), *b = g_new0(Histogram, 1);
    g_autofree Histogram *whole = g_new0(Histogram, 1);
    GRand *rand = g_rand_new_with_seed(7);
    for (unsigned i = 0; i < N; i++) {
        uint64_t value = any_value(rand) >> 8;
        histogram_add(i % 3 ? a : b, value);
        histogram_add(whole, value);
    }
    g_rand_free(rand);
    histogram_merge(a, b);
    g_assert_cmpmem(a, sizeof *a, whole, sizeof *whole);
    Histogram *empty = memset(b, 0, sizeof *b);
    histogram_merge(a, empty);
    g_assert_cmpmem(a, sizeof *a, whole, sizeof *whole);
    histogram_merge(empty, a);
    g_assert_cmpmem(empty, sizeof *empty, whole, sizeof *whole);
}

static void
empty(void)
{
    g_autofree Histogram *h = g_new0(Histogram, 1);
    g_assert_cmpuint(histogram_mean_ns(h), ==, 0);
    g_assert_cmpuint(histogram_quantile_ns(h, 0.99), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/histogram/quantiles", quantiles_are_bounded);
    g_test_add_func("/histogram/edges", the_edges);
    g_test_add_func("/histogram/merge", merged_is_as_if_added);
    g_test_add_func("/histogram/empty", empty);
    return g_test_run();
}
