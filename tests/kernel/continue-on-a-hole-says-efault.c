/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How uffd_map_page() knows a hole: CONTINUE finds nothing in the page cache
 * and says EFAULT; what fallocate() gave is there, and reads as zero.
 */
#include <fcntl.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
efault_and_the_waiter_stays(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    uint64_t hva = kernel_fixture_trap(&k, 2).hva;
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_NO_PAGE);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
}

static void
an_allocated_page_is_no_hole(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    g_assert_no_errno(fallocate(k.file, 0, 2 * (off_t)PAGE_BYTES,
                                (off_t)PAGE_BYTES));
    UffdEvent event = kernel_fixture_trap(&k, 2);
    g_test_message("a page from fallocate() that was never written faults as "
                   "%s", event.minor ? "MINOR" : "MISSING");
    g_assert_cmpint(uffd_map_page(k.uffd, event.hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/efault/hole", efault_and_the_waiter_stays);
    kernel_fixture_add("/kernel/efault/allocated",
                       an_allocated_page_is_no_hole);
    return g_test_run();
}
