/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sweep does not wait for the end: process_madvise(MADV_COLLAPSE) from
 * outside makes an extent one huge mapping while it is registered
 * MISSING|MINOR, whether none, some or all of its pages were mapped before,
 * and also when its pages are small ones. The guest's next touch is no fault.
 */
#include "tests/kernel/support/kernel-fixture.h"

static void
collapse_after(unsigned mapped, bool lay)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent event;
    kernel_fixture_init(&k, 2, 0);
    if (lay) {
        kernel_fixture_lay(&k, 1);
    }
    kernel_fixture_fill(&k, 1);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    for (unsigned i = 0; i < mapped; i++) {
        uint64_t page = PAGES_PER_EXTENT + i * 3 % PAGES_PER_EXTENT;
        g_assert_cmpint(uffd_fd_continue(k.uffd, kernel_fixture_hva(&k, page),
                                         PAGE_BYTES, NULL), ==, UFFD_DONE);
    }
    g_assert_cmpint(kernel_fixture_collapse(&k, 1), ==, 0);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
    for (uint64_t page = PAGES_PER_EXTENT; page < 2 * PAGES_PER_EXTENT;
         page++) {
        g_assert_cmpint(kernel_guest_read(&k.guest,
                                          kernel_fixture_hva(&k, page)), ==,
                        kernel_fixture_byte(page));
    }
    g_assert_cmpint(uffd_reader_read(k.uffd, (UffdEvent[UFFD_READER_BATCH]){0}),
                    ==, 0);
    /* The other extent is still on guard. */
    event = kernel_fixture_trap(&k, 3);
    uffd_fd_zero(k.uffd, event.hva, PAGE_BYTES);
    kernel_guest_answer(&k.guest);
}

static void
none_mapped(void)
{
    collapse_after(0, true);
}

static void
some_mapped(void)
{
    collapse_after(37, true);
}

static void
all_mapped(void)
{
    collapse_after(PAGES_PER_EXTENT, true);
}

static void
small_pages_none_mapped(void)
{
    collapse_after(0, false);
}

static void
small_pages_some_mapped(void)
{
    collapse_after(37, false);
}

/* Who hangs in a fault of the extent is not woken by the collapse: the WAKE
 * after it is ours (design rule 3). */
static void
a_waiter_needs_a_wake_after_the_collapse(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    kernel_fixture_trap(&k, 9);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_fd_wake(k.uffd, k.theirs, EXTENT_BYTES), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(9));
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/collapse/none-mapped", none_mapped);
    kernel_fixture_add("/kernel/collapse/some-mapped", some_mapped);
    kernel_fixture_add("/kernel/collapse/all-mapped", all_mapped);
    kernel_fixture_add("/kernel/collapse/small/none", small_pages_none_mapped);
    kernel_fixture_add("/kernel/collapse/small/some", small_pages_some_mapped);
    kernel_fixture_add("/kernel/collapse/waiter",
                       a_waiter_needs_a_wake_after_the_collapse);
    return g_test_run();
}
