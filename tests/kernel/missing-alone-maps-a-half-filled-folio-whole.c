/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why both modes at once (design rule 2). Under MISSING alone, a page that is
 * in the page cache is mapped without asking, and where it lies in a huge
 * folio, the whole folio is: the guest reads zeros from pages that have not
 * arrived. Another VMM lost guests that way in 2026. With MINOR too, they trap.
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"
#include "uffd/uffd-map.h"

/* A laid extent of which only page 10 has arrived. */
static void
half_filled(KernelFixture *k, uint64_t modes)
{
    kernel_fixture_init(k, 1, 0);
    kernel_fixture_lay(k, 0);
    k->ours[10 * PAGE_BYTES] = 66;
    kernel_fixture_arm(k, modes, 0);
}

static void
missing_alone_shows_what_has_not_arrived(void)
{
    g_auto(KernelFixture) k = {0};
    half_filled(&k, UFFDIO_REGISTER_MODE_MISSING);
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 10)),
                    ==, 66);
    unsigned present = kernel_pagemap_present(k.guest.pid, k.theirs,
                                              PAGES_PER_EXTENT);
    g_test_message("one touch mapped %u pages", present);
    g_assert_cmpuint(present, >, 1);
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 11)),
                    ==, 0);
}

static void
both_modes_do_not(void)
{
    g_auto(KernelFixture) k = {0};
    half_filled(&k, KERNEL_BOTH);
    uint64_t hva = kernel_fixture_trap(&k, 10).hva;
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 66);
    g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                            PAGES_PER_EXTENT), ==, 1);
    /* Page 11 arrives after it was asked for, and is read as it arrived. */
    hva = kernel_fixture_trap(&k, 11).hva;
    k.ours[11 * PAGE_BYTES] = 67;
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 67);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/modes/missing-alone",
                       missing_alone_shows_what_has_not_arrived);
    kernel_fixture_add("/kernel/modes/both", both_modes_do_not);
    return g_test_run();
}
