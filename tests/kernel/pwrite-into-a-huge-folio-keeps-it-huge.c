/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A page may also be delivered through the descriptor of the RAM file: pwrite()
 * of 4 KiB into a laid extent lands in the huge folio and does not split it.
 * Into a hole it makes a small page, like a store.
 */
#include <string.h>
#include <unistd.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "tests/kernel/support/kernel-pagemap.h"

static void
write_page(KernelFixture *k, uint64_t page, uint8_t value)
{
    uint8_t bytes[PAGE_BYTES];
    memset(bytes, value, sizeof bytes);
    g_assert_cmpint(pwrite(k->file, bytes, sizeof bytes,
                           (off_t)(page * PAGE_BYTES)), ==, sizeof bytes);
}

static void
laid(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_lay(&k, 0);
    uint64_t frame = kernel_pagemap_frame(getpid(), (uintptr_t)k.ours);
    for (unsigned page = 0; page < PAGES_PER_EXTENT; page += 7) {
        write_page(&k, page, 9);
    }
    g_assert_true(kernel_pagemap_is_huge(getpid(), (uintptr_t)k.ours));
    g_assert_cmpuint(kernel_pagemap_frame(getpid(), (uintptr_t)k.ours), ==,
                     frame);
    g_assert_cmpint(k.ours[7 * PAGE_BYTES + 4095], ==, 9);
    g_assert_cmpint(k.ours[8 * PAGE_BYTES], ==, 0);
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
}

static void
hole(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    write_page(&k, 3, 9);
    g_assert_cmpint(k.ours[3 * PAGE_BYTES], ==, 9);
    g_assert_false(kernel_pagemap_is_huge(
        getpid(), (uintptr_t)k.ours + 3 * PAGE_BYTES));
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/pwrite/laid", laid);
    kernel_fixture_add("/kernel/pwrite/hole", hole);
    return g_test_run();
}
