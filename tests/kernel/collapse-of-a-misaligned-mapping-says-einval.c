/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why QEMU needs align=2M: where address and file offset differ modulo 2 MiB,
 * no huge entry can map the memory, and MADV_COLLAPSE says EINVAL. The
 * migration itself works all the same. NOHUGEPAGE, which QEMU sets until a
 * postcopy of its own is over, says EINVAL too.
 */
#include <errno.h>
#include <sys/mman.h>

#include "tests/kernel/support/kernel-fixture.h"

static void
misaligned(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 2, PAGE_BYTES);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    /* Neither what is an extent of the file nor what is one of addresses. */
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, EINVAL);
    k.theirs += EXTENT_BYTES - PAGE_BYTES;
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, EINVAL);
    k.theirs -= EXTENT_BYTES - PAGE_BYTES;
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, 0);
    UffdEvent event = kernel_fixture_trap(&k, 7);
    g_assert_cmpint(uffd_fd_continue(k.uffd, event.hva, PAGE_BYTES, NULL), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(7));
}

static void
nohugepage(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_fill(&k, 0);
    g_assert_cmpint(kernel_guest_madvise(&k.guest, k.theirs, k.bytes,
                                         MADV_NOHUGEPAGE), ==, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, EINVAL);
    g_assert_cmpint(kernel_guest_madvise(&k.guest, k.theirs, k.bytes,
                                         MADV_HUGEPAGE), ==, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
}

static void
empty(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    int errnum = kernel_fixture_collapse(&k, 0);
    g_test_message("an extent that is all hole: %s",
                   errnum ? g_strerror(errnum) : "collapsed");
    g_assert_cmpint(errnum, ==, EINVAL);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/einval/misaligned", misaligned);
    kernel_fixture_add("/kernel/einval/nohugepage", nohugepage);
    kernel_fixture_add("/kernel/einval/empty", empty);
    return g_test_run();
}
