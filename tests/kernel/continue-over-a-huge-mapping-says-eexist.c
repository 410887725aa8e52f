/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fault read just before its extent was collapsed is answered after it: the
 * CONTINUE meets a huge entry, says EEXIST, and leaves the entry whole.
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
eexist_and_still_huge(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    uint64_t hva = kernel_fixture_trap(&k, 33).hva;
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_EXISTS);
    g_assert_cmpint(uffd_fd_zero(k.uffd, hva, PAGE_BYTES), ==, UFFD_EXISTS);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(33));
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/eexist/huge", eexist_and_still_huge);
    return g_test_run();
}
