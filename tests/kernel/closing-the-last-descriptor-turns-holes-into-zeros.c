/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why the descriptor stays open inside QEMU: when the last copy closes, the
 * kernel drops the registration, wakes who waits, and what was not there yet
 * is zero, silently (fs/userfaultfd.c, userfaultfd_release).
 */
#include <sys/syscall.h>

#include "base/fd.h"
#include "tests/kernel/support/kernel-fixture.h"

static void
close_in_guest(KernelFixture *k)
{
    KernelGuestOrder order = {.verb = KERNEL_GUEST_SYSCALL,
                              .nr = SYS_close,
                              .a = {(uint64_t)k->guest_uffd}};
    g_assert_cmpint(kernel_guest_ask(&k->guest, order), ==, 0);
}

static void
a_hole_then_reads_as_zero(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    close_in_guest(&k);
    fd_clear(&k.uffd);
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 4)), ==,
                    0);
}

/* Also for one who hangs already. */
static void
a_waiter_is_let_go_with_zeros(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    close_in_guest(&k);
    kernel_fixture_trap(&k, 4);
    fd_clear(&k.uffd);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/last-close/zero", a_hole_then_reads_as_zero);
    kernel_fixture_add("/kernel/last-close/waiter",
                       a_waiter_is_let_go_with_zeros);
    return g_test_run();
}
