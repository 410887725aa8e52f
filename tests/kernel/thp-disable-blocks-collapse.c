/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * prctl(PR_SET_THP_DISABLE) in the target stops MADV_COLLAPSE on it, and is
 * inherited by what it starts: a QEMU that was started by such a parent cannot
 * be made huge, whatever the host's settings are.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/kernel/support/kernel-fixture.h"

static void
set_thp_disable(KernelFixture *k, uint64_t on)
{
    g_assert_cmpint(kernel_guest_ask(&k->guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_SYSCALL, .nr = SYS_prctl,
        .a = {PR_SET_THP_DISABLE, on}}), ==, 0);
}

static void
check(bool lay)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    if (lay) {
        kernel_fixture_lay(&k, 0);
    }
    kernel_fixture_fill(&k, 0);
    set_thp_disable(&k, 1);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, EINVAL);
    set_thp_disable(&k, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
}

static void
small_pages(void)
{
    check(false);
}

/* Not even mapping a folio that is huge already. */
static void
a_laid_extent(void)
{
    check(true);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/thp-disable/small", small_pages);
    kernel_fixture_add("/kernel/thp-disable/laid", a_laid_extent);
    return g_test_run();
}
