/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fault is answered at native size: UFFDIO_CONTINUE of 4 KiB in a huge folio
 * makes exactly these 4 KiB reachable, and its neighbours still trap.
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

static void
one_page_and_no_more(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);

    kernel_fixture_trap(&k, 100);
    g_assert_cmpint(uffd_fd_continue(k.uffd, kernel_fixture_hva(&k, 100),
                                     PAGE_BYTES, NULL), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==,
                    kernel_fixture_byte(100));
    g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                            PAGES_PER_EXTENT), ==, 1);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, 0);
    g_assert_true(kernel_pagemap_is_huge(k.guest.pid,
                                         kernel_fixture_hva(&k, 100)));

    /* Both neighbours: no fault-around either. */
    for (unsigned page = 99; page <= 101; page += 2) {
        kernel_fixture_trap(&k, page);
        uffd_fd_continue(k.uffd, kernel_fixture_hva(&k, page), PAGE_BYTES,
                         NULL);
        g_assert_cmpint(kernel_guest_answer(&k.guest), ==,
                        kernel_fixture_byte(page));
    }
}

/* A longer CONTINUE stops at the first page it cannot map and says how far it
 * came; uffd_fd_continue() hides the EAGAIN in between. */
static void
a_range_stops_at_the_first_mapped_page(void)
{
    g_auto(KernelFixture) k = {0};
    uint64_t done = 0;
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    g_assert_cmpint(uffd_fd_continue(k.uffd, kernel_fixture_hva(&k, 20),
                                     PAGE_BYTES, NULL), ==, UFFD_DONE);
    g_assert_cmpint(uffd_fd_continue(k.uffd, k.theirs, EXTENT_BYTES, &done), ==,
                    UFFD_EXISTS);
    g_assert_cmpuint(done, ==, 20 * PAGE_BYTES);
    g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                            PAGES_PER_EXTENT), ==, 21);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/continue/one-page", one_page_and_no_more);
    kernel_fixture_add("/kernel/continue/range",
                       a_range_stops_at_the_first_mapped_page);
    return g_test_run();
}
