/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What makes a dead helper survivable: while the guest holds a descriptor of
 * its own, faults wait after ours closed; a copy taken later can read the
 * faults that nobody read, and can answer those that our predecessor had read
 * and not answered. Such a one is not reported again: the page map says it.
 */
#include "base/fd.h"
#include "tests/kernel/support/kernel-fixture.h"

static void
a_fault_after_the_close_waits_for_the_next_copy(void)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent event;
    kernel_fixture_init_armed(&k, 1);
    fd_clear(&k.uffd);
    kernel_guest_order(&k.guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_READ, .a = {kernel_fixture_hva(&k, 6)}});
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));

    k.uffd = kernel_fixture_copy_uffd(&k);
    g_assert_true(kernel_fixture_event(&k, &event));
    g_assert_cmphex(event.hva, ==, kernel_fixture_hva(&k, 6));
    k.ours[6 * PAGE_BYTES] = 77;
    g_assert_cmpint(uffd_fd_continue(k.uffd, event.hva, PAGE_BYTES, NULL), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 77);
}

static void
a_fault_that_was_read_is_not_reported_again(void)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent events[UFFD_READER_BATCH];
    kernel_fixture_init_armed(&k, 1);
    uint64_t hva = kernel_fixture_trap(&k, 6).hva;
    fd_clear(&k.uffd);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));

    k.uffd = kernel_fixture_copy_uffd(&k);
    g_assert_cmpint(uffd_reader_read(k.uffd, events), ==, 0);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    /* A successor that knows from no one whom to serve: wake all. They fault
     * again and are reported. Nothing became reachable by it. */
    g_assert_cmpint(uffd_fd_wake(k.uffd, k.theirs, k.bytes), ==, UFFD_DONE);
    g_assert_true(kernel_fixture_event(&k, &events[0]));
    g_assert_cmphex(events[0].hva, ==, hva);
    k.ours[6 * PAGE_BYTES] = 78;
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 78);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/second/unread",
                       a_fault_after_the_close_waits_for_the_next_copy);
    kernel_fixture_add("/kernel/second/read",
                       a_fault_that_was_read_is_not_reported_again);
    return g_test_run();
}
