/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Born huge makes the sweep nearly free: collapsing a laid extent, none or
 * all of whose pages are mapped, installs one entry for the same page frames.
 * An extent of small pages moves to new frames, and costs 100 times as much.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "collapse/collapse-sweep.h"
#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

#define EXTENTS 32

static int
compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t
thread_ns(void)
{
    struct timespec now;
    g_assert_no_errno(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What it costs this thread: how long it takes depends on who else is there. A
 * try that fails counts: it may have copied, and left only the entry to do. */
static uint64_t
timed_collapse(CollapseTarget *target, uint64_t hva)
{
    uint64_t deadline = fd_deadline_ns(KERNEL_AGAIN_MS);
    uint64_t start_ns = thread_ns();
    int errnum;
    do {
        errnum = collapse_target_extent(target, hva);
    } while (kernel_fixture_again(errnum, deadline));
    g_assert_cmpint(errnum, ==, 0);
    return thread_ns() - start_ns;
}

/* Median µs per extent: in a VM a thread's clock now and then leaves out all of
 * a call. *MOVED: in how many the first page changed frames. */
static double
sweep(bool lay, bool map_first, unsigned *moved)
{
    g_auto(KernelFixture) k = {0};
    uint64_t ns[EXTENTS];
    *moved = 0;
    kernel_fixture_init(&k, EXTENTS, 0);
    for (unsigned i = 0; i < EXTENTS; i++) {
        if (lay) {
            kernel_fixture_lay(&k, i);
        }
        kernel_fixture_fill(&k, i);
    }
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    g_autoptr(CollapseTarget) target = collapse_target_open(k.guest.pid, NULL);
    g_assert_nonnull(target);
    for (unsigned i = 0; i < EXTENTS; i++) {
        uint64_t at = i * EXTENT_BYTES;
        uint64_t frame =
            kernel_pagemap_frame(getpid(), (uintptr_t)k.ours + at);
        if (map_first) {
            uffd_fd_continue(k.uffd, k.theirs + at, EXTENT_BYTES, NULL);
        }
        ns[i] = timed_collapse(target, k.theirs + at);
        *moved += kernel_pagemap_frame(k.guest.pid, k.theirs + at) != frame;
    }
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, k.bytes);
    qsort(ns, EXTENTS, sizeof ns[0], compare_u64);
    return (double)ns[EXTENTS / 2] / 1000.0;
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
