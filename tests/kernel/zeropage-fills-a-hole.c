/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Zero pages never cross the network: UFFDIO_ZEROPAGE gives the waiter a page
 * of zeros and wakes it. On shared memory that is a real page of the file (not
 * the shared zero page), writable and visible through every other mapping.
 */
#include <sys/stat.h>

#include "tests/kernel/support/kernel-fixture.h"

static uint64_t
allocated_bytes(int file)
{
    struct stat info;
    g_assert_no_errno(fstat(file, &info));
    return (uint64_t)info.st_blocks * 512;
}

static void
a_real_page_of_zeros(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    uint64_t hva = kernel_fixture_trap(&k, 11).hva;
    g_assert_cmpint(uffd_fd_zero(k.uffd, hva, PAGE_BYTES), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
    g_assert_cmpuint(allocated_bytes(k.file), ==, PAGE_BYTES);
    KernelGuestOrder write = {.verb = KERNEL_GUEST_WRITE, .a = {hva, 99}};
    g_assert_cmpint(kernel_guest_ask(&k.guest, write), ==, 0);
    g_assert_cmpint(k.ours[11 * PAGE_BYTES], ==, 99);
}

static void
never_over_what_is_there(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    k.ours[11 * PAGE_BYTES] = 55;
    uint64_t hva = kernel_fixture_trap(&k, 11).hva;
    g_assert_cmpint(uffd_fd_zero(k.uffd, hva, PAGE_BYTES), ==, UFFD_EXISTS);
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 55);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/zeropage/hole", a_real_page_of_zeros);
    kernel_fixture_add("/kernel/zeropage/present", never_over_what_is_there);
    return g_test_run();
}
