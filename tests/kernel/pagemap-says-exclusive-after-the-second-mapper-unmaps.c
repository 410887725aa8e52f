/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * At the end we unmap our view, so that QEMU alone maps the folios: bit 56 of
 * pagemap (mapped exclusively) tells that it worked, on huge folios too, and
 * the guest's mapping stays huge.
 */
#include <sys/mman.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

static bool
exclusive(KernelFixture *k, uint64_t page)
{
    uint64_t entry = kernel_pagemap_entry(k->guest.pid,
                                          kernel_fixture_hva(k, page));
    g_assert_true(entry & KERNEL_PAGEMAP_PRESENT);
    return entry & KERNEL_PAGEMAP_EXCLUSIVE;
}

static void
shared_then_exclusive(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    kernel_fixture_fill(&k, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_false(exclusive(&k, 0));
    g_assert_false(exclusive(&k, 300));
    munmap(k.ours, k.bytes);
    k.ours = NULL;
    g_assert_true(exclusive(&k, 0));
    g_assert_true(exclusive(&k, 300));
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/exclusive", shared_then_exclusive);
    return g_test_run();
}
