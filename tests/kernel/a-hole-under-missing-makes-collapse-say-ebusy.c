/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why folios are laid before the registration: once anybody's mapping of the
 * file is registered MISSING, MADV_COLLAPSE refuses to fill a hole, through
 * whatever mapping it is asked (since Linux 6.4, mm/khugepaged.c,
 * collapse_file).
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "collapse/collapse-compat.h"
#include "tests/kernel/support/kernel-fixture.h"

static int
collapse_ours(KernelFixture *k, unsigned extent)
{
    uint64_t deadline = fd_deadline_ns(KERNEL_AGAIN_MS);
    int errnum;
    do {
        errnum = madvise(k->ours + extent * EXTENT_BYTES, EXTENT_BYTES,
                         MADV_COLLAPSE) < 0 ? errno : 0;
    } while (kernel_fixture_again(errnum, deadline));
    return errnum;
}

static bool
is_before_6_4(void)
{
    struct utsname kernel;
    unsigned major = 0, minor = 0;
    g_assert_no_errno(uname(&kernel));
    g_assert_cmpint(sscanf(kernel.release, "%u.%u", &major, &minor), ==, 2);
    return major < 6 || (major == 6 && minor < 4);
}

static void
a_hole_is_not_filled(void)
{
    if (is_before_6_4()) {
        g_test_skip("before Linux 6.4 it is filled");
        return;
    }
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 2, 0);
    kernel_fixture_fill(&k, 0);
    k.ours[EXTENT_BYTES] = 1; /* extent 1: one page, 511 holes */
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    g_assert_cmpint(collapse_ours(&k, 1), ==, EBUSY);
    g_assert_cmpint(kernel_fixture_collapse(&k, 1), ==, EBUSY);
    g_assert_cmpint(k.ours[EXTENT_BYTES], ==, 1);
    /* A complete extent of the same file is fine. */
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    /* And so is the other one, once nobody is on guard. */
    g_autoptr(GError) error = NULL;
    uffd_fd_unregister(k.uffd, k.theirs, k.bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpint(kernel_fixture_collapse(&k, 1), ==, 0);
    g_assert_cmpint(kernel_guest_read(&k.guest, k.theirs + EXTENT_BYTES), ==,
                    1);
}

/* MINOR alone is no protection: the kernel fills the hole with zeros, and the
 * guest would read them without a fault (design rule 2). */
static void
minor_alone_lets_holes_be_filled(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    k.ours[0] = 1;
    kernel_fixture_arm(&k, UFFDIO_REGISTER_MODE_MINOR, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 9)), ==,
                    0);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/ebusy/hole", a_hole_is_not_filled);
    kernel_fixture_add("/kernel/ebusy/minor-alone",
                       minor_alone_lets_holes_be_filled);
    return g_test_run();
}
