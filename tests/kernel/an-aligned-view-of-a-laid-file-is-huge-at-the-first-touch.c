/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why the helper maps the RAM file at a multiple of 2 MiB: a view that agrees
 * with the file offset modulo 2 MiB is mapped by one huge entry at the first
 * touch of a laid extent, whatever the THP settings; any other view takes 512
 * faults. The same goes for a guest view that nobody guards, and not for one
 * that is registered (see a-huge-folio-under-minor-and-missing-...).
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

static void
aligned(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 2, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_lay(&k, 1);
    kernel_fixture_fill(&k, 0);
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 3)), ==,
                    kernel_fixture_byte(3));
    g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                            PAGES_PER_EXTENT), ==,
                     PAGES_PER_EXTENT);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
}

/* How many are mapped around a fault is fault_around_bytes' business: a
 * store, as the helper makes, maps one. */
static void
misaligned(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 2, PAGE_BYTES);
    kernel_fixture_lay(&k, 0);
    KernelGuestOrder store = {.verb = KERNEL_GUEST_WRITE,
                              .a = {kernel_fixture_hva(&k, 3), 1}};
    g_assert_cmpint(kernel_guest_ask(&k.guest, store), ==, 0);
    unsigned present = kernel_pagemap_present(k.guest.pid, k.theirs,
                                              PAGES_PER_EXTENT);
    g_test_message("a store through a misaligned view mapped %u pages",
                   present);
    g_assert_cmpuint(present, <, PAGES_PER_EXTENT);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, 0);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/view/aligned", aligned);
    kernel_fixture_add("/kernel/view/misaligned", misaligned);
    return g_test_run();
}
