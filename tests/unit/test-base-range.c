/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Range arithmetic at the edges of 64 bits.
 */
#include "base/range.h"

#include <glib.h>

#define TOP UINT64_MAX

static void
ends(void)
{
    uint64_t end = 0;
    g_assert_true(range_end(&(Range){4096, 8192}, &end));
    g_assert_cmpuint(end, ==, 12288);
    g_assert_true(range_end(&(Range){TOP - 4096, 4096}, &end));
    g_assert_cmpuint(end, ==, TOP);
    g_assert_false(range_end(&(Range){TOP - 4095, 4096}, &end));
    g_assert_false(range_end(&(Range){TOP, TOP}, &end));
    g_assert_true(range_end(&(Range){TOP, 0}, &end));
}

/* CONTAINS must not add: the last byte of the address space is a place. */
static void
contains(void)
{
    Range last = {TOP - 4095, 4096};
    g_assert_true(range_contains(&last, TOP));
    g_assert_true(range_contains(&last, TOP - 4095));
    g_assert_false(range_contains(&last, TOP - 4096));
    g_assert_false(range_contains(&last, 0));
    g_assert_false(range_contains(&(Range){4096, 0}, 4096));
    g_assert_true(range_contains(&(Range){0, TOP}, TOP - 1));
    g_assert_false(range_contains(&(Range){0, TOP}, TOP));
}

/* Every pair of small ranges against the obvious definition, then again with
 * both pushed against the top. */
static void
overlaps(void)
{
    for (unsigned i = 0; i < 6 * 6 * 6 * 6; i++) {
        Range a = {i % 6, i / 6 % 6}, b = {i / 36 % 6, i / 216};
        bool truth = false;
        for (uint64_t at = 0; at < 12; at++) {
            truth |= range_contains(&a, at) && range_contains(&b, at);
        }
        bool degenerate = a.bytes == 0 || b.bytes == 0;
        if (!degenerate) {
            g_assert_cmpint(range_overlaps(&a, &b), ==, truth);
            g_assert_cmpint(range_overlaps(&b, &a), ==, truth);
            a.start += TOP - 10;
            b.start += TOP - 10;
            g_assert_cmpint(range_overlaps(&a, &b), ==, truth);
        }
    }
}

static void
units_and_rounding(void)
{
    g_assert_cmpuint(range_units(0, 4096), ==, 0);
    g_assert_cmpuint(range_units(1, 4096), ==, 1);
    g_assert_cmpuint(range_units(4096, 4096), ==, 1);
    g_assert_cmpuint(range_units(4097, 4096), ==, 2);
    g_assert_cmpuint(range_units(TOP, 4096), ==, TOP / 4096 + 1);
    g_assert_cmpuint(range_units(TOP, 1), ==, TOP);
    g_assert_cmpuint(range_round_down(TOP, EXTENT_BYTES), ==,
                     TOP - (EXTENT_BYTES - 1));
    g_assert_cmpuint(range_round_down(EXTENT_BYTES, EXTENT_BYTES), ==,
                     EXTENT_BYTES);
    g_assert_true(range_is_aligned(0, 4096));
    g_assert_false(range_is_aligned(TOP, 4096));
    g_assert_cmpuint(PAGES_PER_EXTENT, ==, 512);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/range/end", ends);
    g_test_add_func("/range/contains", contains);
    g_test_add_func("/range/overlaps", overlaps);
    g_test_add_func("/range/units", units_and_rounding);
    return g_test_run();
}
