/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fault address to RAM block and page: edges, gaps, overlaps, the top of the
 * address space, many blocks in any order.
 */
#include "base/error.h"
#include "uffd/uffd-regions.h"

#define MIB (UINT64_C(1) << 20)

static void
add(UffdRegions *regions, unsigned block, uint64_t hva, uint64_t bytes)
{
    g_autoptr(GError) error = NULL;
    uffd_regions_add(regions, block, hva, bytes, &error);
    g_assert_no_error(error);
}

static void
assert_found(UffdRegions *regions, uint64_t hva, unsigned block, uint64_t page)
{
    unsigned found_block = 999;
    uint64_t found_page = 999;
    g_assert_true(uffd_regions_find(regions, hva, &found_block, &found_page));
    g_assert_cmpuint(found_block, ==, block);
    g_assert_cmpuint(found_page, ==, page);
}

static void
assert_missing(UffdRegions *regions, uint64_t hva)
{
    unsigned block;
    uint64_t page;
    g_assert_false(uffd_regions_find(regions, hva, &block, &page));
}

static void
empty_finds_nothing(void)
{
    g_autoptr(UffdRegions) regions = uffd_regions_new();
    assert_missing(regions, 0);
    assert_missing(regions, UINT64_MAX);
}

static void
edges_and_gaps(void)
{
    g_autoptr(UffdRegions) regions = uffd_regions_new();
    add(regions, 7, 16 * MIB, 4 * MIB);
    add(regions, 3, 2 * MIB, 2 * MIB);
    add(regions, 5, 4 * MIB, MIB); /* touches block 3 */
    assert_missing(regions, 2 * MIB - 1);
    assert_found(regions, 2 * MIB, 3, 0);
    assert_found(regions, 2 * MIB + 4095, 3, 0);
    assert_found(regions, 2 * MIB + 4096, 3, 1);
    assert_found(regions, 4 * MIB - 1, 3, 511);
    assert_found(regions, 4 * MIB, 5, 0);
    assert_missing(regions, 5 * MIB);
    assert_missing(regions, 16 * MIB - 1);
    assert_found(regions, 20 * MIB - 1, 7, 1023);
    assert_missing(regions, 20 * MIB);
}

static void
assert_refused(UffdRegions *regions, uint64_t hva, uint64_t bytes)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(uffd_regions_add(regions, 1, hva, bytes, &error));
    g_assert_true(error_is(error, ERROR_STATE));
}

static void
overlaps_are_refused(void)
{
    g_autoptr(UffdRegions) regions = uffd_regions_new();
    g_autoptr(GError) error = NULL;
    add(regions, 0, 8 * MIB, 4 * MIB);
    assert_refused(regions, 8 * MIB, 4 * MIB);
    assert_refused(regions, 7 * MIB, MIB + 1);
    assert_refused(regions, 12 * MIB - 1, MIB);
    assert_refused(regions, 0, 64 * MIB);
    assert_refused(regions, 9 * MIB, 4096);
    assert_refused(regions, 64 * MIB, 0);
    assert_refused(regions, UINT64_MAX - 4095, 8192);
    uffd_regions_add(regions, 1, 9 * MIB, MIB, &error);
    g_assert_cmpstr(error->message, ==,
                    "RAM block 1 at 0x900000 overlaps RAM block 0 at 0x800000");
    assert_found(regions, 8 * MIB, 0, 0); /* nothing was added */
    assert_missing(regions, 7 * MIB);
}

static void
the_top_of_the_address_space(void)
{
    g_autoptr(UffdRegions) regions = uffd_regions_new();
    add(regions, 0, UINT64_MAX - 8191, 8191);
    assert_found(regions, UINT64_MAX - 1, 0, 1);
    assert_missing(regions, UINT64_MAX);
}

/* Against the plain way to do it. */
static void
many_blocks_in_any_order(void)
{
    g_autoptr(UffdRegions) regions = uffd_regions_new();
    for (unsigned i = 0; i < 101; i++) {
        unsigned block = i * 37 % 101; /* 37 and 101 have no common divisor */
        add(regions, block, block * 10 * MIB, (1 + block % 9) * MIB);
    }
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t hva = (uint64_t)g_test_rand_int_range(0, 1010) * MIB +
                       (uint64_t)g_test_rand_int_range(0, (gint32)MIB);
        unsigned block = (unsigned)(hva / (10 * MIB));
        uint64_t inside = hva - block * 10 * MIB;
        if (inside < (1 + block % 9) * MIB) {
            assert_found(regions, hva, block, inside / 4096);
        } else {
            assert_missing(regions, hva);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uffd-regions/empty", empty_finds_nothing);
    g_test_add_func("/uffd-regions/edges", edges_and_gaps);
    g_test_add_func("/uffd-regions/overlaps", overlaps_are_refused);
    g_test_add_func("/uffd-regions/top", the_top_of_the_address_space);
    g_test_add_func("/uffd-regions/many", many_blocks_in_any_order);
    return g_test_run();
}
