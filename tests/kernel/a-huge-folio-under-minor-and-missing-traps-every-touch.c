/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Born huge rests on this: memory can be complete in the page cache, as one
 * huge folio, and yet no page of it is reachable by the guest before we say
 * so. Reads, writes, first, middle and last page.
 */
#include <unistd.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

static const unsigned pages[] = {0, 1, 15, 16, 300, PAGES_PER_EXTENT - 1};

static void
check_fault(KernelFixture *k, unsigned page, bool write)
{
    UffdEvent event;
    uint64_t hva = kernel_fixture_hva(k, page);
    kernel_guest_order(&k->guest, (KernelGuestOrder){
        .verb = write ? KERNEL_GUEST_WRITE : KERNEL_GUEST_READ,
        .a = {hva + 7, 42}});
    g_assert_true(kernel_fixture_event(k, &event));
    g_assert_cmpint(event.kind, ==, UFFD_EVENT_IS_FAULT);
    g_assert_cmphex(event.hva, ==, hva);
    g_assert_true(event.minor);
    g_assert_cmpint(event.write, ==, write);
    g_assert_true(kernel_guest_hangs(&k->guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_fd_continue(k->uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_DONE);
    kernel_guest_answer(&k->guest);
}

static void
every_touch_of_a_laid_extent_traps(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    g_assert_true(kernel_pagemap_is_huge(getpid(), (uintptr_t)k.ours));
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        check_fault(&k, pages[i], i % 2);
        g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                                PAGES_PER_EXTENT), ==, i + 1);
    }
}

/* What is not there traps too, and says that it is another kind. */
static void
a_hole_traps_as_missing(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    UffdEvent event = kernel_fixture_trap(&k, 5);
    g_assert_false(event.minor);
    g_assert_cmpint(uffd_fd_zero(k.uffd, event.hva, PAGE_BYTES), ==,
                    UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/traps/laid", every_touch_of_a_laid_extent_traps);
    kernel_fixture_add("/kernel/traps/hole", a_hole_traps_as_missing);
    return g_test_run();
}
