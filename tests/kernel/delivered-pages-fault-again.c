/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why PRESENT comes from our own map and never from a fault's flags (design
 * rule 5): a page that was delivered traps again, as MINOR, whenever its entry
 * in the page table goes: the owner drops it, or the kernel reclaims. The data
 * is still there, and CONTINUE answers.
 */
#include <sched.h>
#include <sys/mman.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"
#include "uffd/uffd-map.h"

static void
deliver(KernelFixture *k, uint64_t page)
{
    uint64_t hva = kernel_fixture_trap(k, page).hva;
    g_assert_cmpint(uffd_map_page(k->uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k->guest), ==,
                    kernel_fixture_byte(page));
}

static void
check_second_fault(KernelFixture *k, uint64_t page)
{
    UffdEvent event = kernel_fixture_trap(k, page);
    g_assert_true(event.minor);
    g_assert_cmpint(uffd_map_page(k->uffd, event.hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k->guest), ==,
                    kernel_fixture_byte(page));
}

static void
after_dontneed(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init_armed(&k, 1);
    kernel_fixture_fill(&k, 0);
    deliver(&k, 12);
    g_assert_cmpint(kernel_guest_madvise(&k.guest, k.theirs, k.bytes,
                                         MADV_DONTNEED), ==, 0);
    check_second_fault(&k, 12);
}

/* Reclaim takes the entry away before it finds out that there is no swap. It
 * leaves alone what still waits in the batch of another CPU to be put on a list
 * (mm/swap.c), so whoever fills and whoever gives away share one. */
static void
after_reclaim(void)
{
    g_auto(KernelFixture) k = {0};
    cpu_set_t all, one;
    g_assert_no_errno(sched_getaffinity(0, sizeof all, &all));
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    g_assert_no_errno(sched_setaffinity(0, sizeof one, &one));
    kernel_fixture_init_armed(&k, 1);
    kernel_fixture_fill(&k, 0);
    g_assert_no_errno(sched_setaffinity(0, sizeof all, &all));
    munmap(k.ours, k.bytes); /* a page that two processes map is left alone */
    k.ours = NULL;
    deliver(&k, 12);
    uint64_t hva = kernel_fixture_hva(&k, 12);
    int64_t result = kernel_guest_madvise(&k.guest, hva, PAGE_BYTES,
                                          MADV_PAGEOUT);
    bool dropped = kernel_pagemap_present(k.guest.pid, hva, 1) == 0;
    g_test_message("MADV_PAGEOUT: %d, entry %s", (int)result,
                   dropped ? "dropped" : "kept");
    if (kernel_fixture_need(dropped, "this kernel reclaims no shared memory "
                                     "here (no swap)")) {
        check_second_fault(&k, 12);
    }
}

/* A huge mapping goes as a whole and comes back page by page. */
static void
after_a_collapse(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    kernel_fixture_arm(&k, KERNEL_BOTH, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_cmpint(kernel_guest_madvise(&k.guest, k.theirs, k.bytes,
                                         MADV_DONTNEED), ==, 0);
    check_second_fault(&k, 12);
    g_assert_cmpuint(kernel_pagemap_present(k.guest.pid, k.theirs,
                                            PAGES_PER_EXTENT), ==, 1);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/again/dontneed", after_dontneed);
    kernel_fixture_add("/kernel/again/reclaim", after_reclaim);
    kernel_fixture_add("/kernel/again/collapsed", after_a_collapse);
    return g_test_run();
}
