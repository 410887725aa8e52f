/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Born huge makes the sweep nearly free: collapsing a laid extent, none or
 * all of whose pages are mapped, installs one entry for the same page frames.
 * An extent of small pages moves to new frames, and costs 100 times as much.
 */
#include <unistd.h>

#include "base/fd.h"
#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

#define EXTENTS 32

/* Mean µs per extent. *MOVED: in how many the first page changed frames. */
static double
sweep(bool lay, bool map_first, unsigned *moved)
{
    g_auto(KernelFixture) k = {0};
    uint64_t ns = 0;
    *moved = 0;
    kernel_fixture_init(&k, EXTENTS, 0);
    for (unsigned i = 0; i < EXTENTS; i++) {
        if (lay) {
            kernel_fixture_lay(&k, i);
        }
        kernel_fixture_fill(&k, i);
    }
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    for (unsigned i = 0; i < EXTENTS; i++) {
        uint64_t at = i * EXTENT_BYTES;
        uint64_t frame =
            kernel_pagemap_frame(getpid(), (uintptr_t)k.ours + at);
        if (map_first) {
            uffd_fd_continue(k.uffd, k.theirs + at, EXTENT_BYTES, NULL);
        }
        uint64_t start_ns = fd_now_ns();
        g_assert_cmpint(kernel_fixture_collapse(&k, i), ==, 0);
        ns += fd_now_ns() - start_ns;
        *moved += kernel_pagemap_frame(k.guest.pid, k.theirs + at) != frame;
    }
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, k.bytes);
    return (double)ns / 1000.0 / EXTENTS;
}

static void
no_copy(void)
{
    unsigned moved[3];
    double none = sweep(true, false, &moved[0]);
    double all = sweep(true, true, &moved[1]);
    double small = sweep(false, false, &moved[2]);
    g_test_message("collapse of one extent: laid, never mapped %.1f us; laid, "
                   "all mapped %.1f us; small pages %.1f us", none, all, small);
    g_assert_cmpuint(moved[0], ==, 0);
    g_assert_cmpuint(moved[1], ==, 0);
    g_assert_cmpuint(moved[2], ==, EXTENTS);
    /* Generous: what counts is that nothing of 2 MiB is copied or cleared. */
    g_assert_cmpfloat(none * 5, <, small);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/collapse/no-copy", no_copy);
    return g_test_run();
}
