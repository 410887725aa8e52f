/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who pays for a page of the RAM file: the process whose mapping it first came
 * through. What we write through our view is ours; what UFFDIO_COPY and
 * UFFDIO_ZEROPAGE place is the target's, although we call them; what a child
 * of ours lays from within the target's cgroup is the target's.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "collapse/collapse-lay.h"
#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/kernel/support/kernel-fixture.h"

#define EXTENTS 8

typedef void (*Placing)(KernelFixture *k);

/* MiB by which the guest's cgroup grows while PLACING puts EXTENTS there. */
static double
growth_mib(Placing placing, bool arm)
{
    g_auto(KernelCgroup) cgroup = {0};
    g_auto(KernelFixture) k = {0};
    const char *reason = NULL;
    if (!kernel_fixture_need(kernel_cgroup_init(&cgroup, &reason), reason)) {
        return -1;
    }
    kernel_fixture_init(&k, EXTENTS, 0);
    kernel_cgroup_enter(&cgroup, k.guest.pid);
    if (arm) {
        kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    }
    uint64_t before = kernel_cgroup_usage_bytes(&cgroup);
    placing(&k);
    uint64_t after = kernel_cgroup_usage_bytes(&cgroup);
    kernel_fixture_clear(&k); /* before the cgroup, whose member it is */
    return ((double)after - (double)before) / (1 << 20);
}

static void
by_our_view(KernelFixture *k)
{
    memset(k->ours, 1, k->bytes);
}

static void
by_copy(KernelFixture *k)
{
    g_autofree uint8_t *source = g_malloc0(EXTENT_BYTES);
    for (unsigned i = 0; i < EXTENTS; i++) {
        g_assert_cmpint(uffd_fd_copy(k->uffd, k->theirs + i * EXTENT_BYTES,
                                     source, EXTENT_BYTES), ==, UFFD_DONE);
    }
}

static void
by_zeropage(KernelFixture *k)
{
    g_assert_cmpint(uffd_fd_zero(k->uffd, k->theirs, k->bytes), ==, UFFD_DONE);
}

static void
by_laying(KernelFixture *k)
{
    g_autoptr(GError) error = NULL;
    uint8_t wanted[EXTENTS], laid[EXTENTS];
    memset(wanted, 1, sizeof wanted);
    CollapseLayBlock block = {.file = k->file, .bytes = k->bytes,
                              .wanted = wanted, .laid = laid};
    CollapseLayResult result;
    collapse_lay(&block, 1, k->guest.pid, &result, &error);
    g_assert_no_error(error);
    g_assert_true(result.charged_to_target);
    g_assert_cmpuint(result.laid_extents, ==, EXTENTS);
}

static void
check(Placing placing, bool arm, bool theirs)
{
    double mib = growth_mib(placing, arm);
    double placed = (double)(EXTENTS * EXTENT_BYTES >> 20);
    if (mib < 0 && !theirs) {
        mib = 0; /* skipped, or a little was given back: both not charged */
    }
    g_test_message("the target's cgroup grew by %.1f MiB of %.0f", mib, placed);
    if (theirs && mib >= 0) {
        g_assert_cmpfloat(mib, >, placed * 0.9);
    } else {
        g_assert_cmpfloat(mib, <, placed * 0.1);
    }
}

static void
our_view_is_charged_to_us(void)
{
    check(by_our_view, false, false);
}

static void
copy_is_charged_to_the_target(void)
{
    check(by_copy, true, true);
}

static void
zeropage_is_charged_to_the_target(void)
{
    check(by_zeropage, true, true);
}

static void
laying_is_charged_to_the_target(void)
{
    check(by_laying, false, true);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/charge/our-view", our_view_is_charged_to_us);
    kernel_fixture_add("/kernel/charge/copy", copy_is_charged_to_the_target);
    kernel_fixture_add("/kernel/charge/zeropage",
                       zeropage_is_charged_to_the_target);
    kernel_fixture_add("/kernel/charge/laying",
                       laying_is_charged_to_the_target);
    return g_test_run();
}
