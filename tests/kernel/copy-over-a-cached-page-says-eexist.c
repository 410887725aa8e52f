/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UFFDIO_COPY is for holes only: on shared memory it says EEXIST when the page
 * cache has a page, mapped or not, and leaves it alone. So it cannot deliver
 * into a laid extent, and two deliveries cannot overwrite each other.
 */
#include <string.h>

#include "tests/kernel/support/kernel-fixture.h"

static uint8_t source[PAGE_BYTES] __attribute__((aligned(4096)));

static void
eexist_and_untouched(void)
{
    g_auto(KernelFixture) k = {0};
    memset(source, 200, sizeof source);
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    uint64_t hva = kernel_fixture_trap(&k, 3).hva;
    g_assert_cmpint(uffd_fd_copy(k.uffd, hva, source, PAGE_BYTES), ==,
                    UFFD_EXISTS);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(3));
}

static void
a_hole_is_filled_and_woken(void)
{
    g_auto(KernelFixture) k = {0};
    memset(source, 200, sizeof source);
    kernel_fixture_init_armed(&k, 1);
    uint64_t hva = kernel_fixture_trap(&k, 3).hva;
    g_assert_cmpint(uffd_fd_copy(k.uffd, hva, source, PAGE_BYTES), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 200);
    g_assert_cmpint(k.ours[3 * PAGE_BYTES], ==, 200);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/copy/cached", eexist_and_untouched);
    kernel_fixture_add("/kernel/copy/hole", a_hole_is_filled_and_woken);
    return g_test_run();
}
