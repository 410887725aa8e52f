/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which frames are those of a zero page: by number, and in our own memory.
 */
#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/range.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-zero.h"

#define PRESENT COLLAPSE_ENTRY_PRESENT

static void
by_number(void)
{
    static const CollapseZero both = {.small = 7, .huge = 1024};
    static const CollapseZero small = {.small = 7};
    static const CollapseZero none = {0};
    g_assert_true(collapse_zero_is(&both, PRESENT | 7));
    g_assert_true(collapse_zero_is(&both, PRESENT | 1024));
    g_assert_true(collapse_zero_is(&both, PRESENT | (1024 + 511)));
    g_assert_false(collapse_zero_is(&both, PRESENT | 1023));
    g_assert_false(collapse_zero_is(&both, PRESENT | (1024 + 512)));
    /* In a swapped entry the number is a place in the swap. */
    g_assert_false(collapse_zero_is(&both, COLLAPSE_ENTRY_SWAPPED | 7));
    g_assert_false(collapse_zero_is(&both, 0));
    g_assert_true(collapse_zero_is(&small, PRESENT | 7));
    g_assert_false(collapse_zero_is(&small, PRESENT | 8));
    /* Whoever is told no frames reads 0 everywhere. */
    g_assert_false(collapse_zero_is(&both, PRESENT));
    g_assert_false(collapse_zero_is(&none, PRESENT));
}

static uint64_t
entry_of(const uint8_t *page)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t at = (off_t)((uintptr_t)page / PAGE_BYTES * sizeof entry);
    g_assert_cmpint(pread(fd, &entry, sizeof entry, at), ==, sizeof entry);
    close(fd);
    return entry;
}

/* Read before the frames are looked for: what the kernel has for us now, it has
 * for us then. Only CAP_SYS_ADMIN is told. */
static void
only_read(int advice)
{
    CollapseZero zero;
    uint8_t *room = mmap(NULL, 2 * EXTENT_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(room != MAP_FAILED);
    g_assert_cmpint(madvise(room, 2 * EXTENT_BYTES, advice), ==, 0);
    uint8_t *page = (uint8_t *)(uintptr_t)range_round_down(
        (uintptr_t)room + EXTENT_BYTES - 1, EXTENT_BYTES);
    (void)*(volatile uint8_t *)page;
    collapse_zero_open(&zero);
    uint64_t entry = entry_of(page);
    g_assert_true(entry & PRESENT);
    bool told = (entry & COLLAPSE_ENTRY_FRAME) != 0;
    g_assert_true((zero.small != 0) == told);
    g_assert_true(collapse_zero_is(&zero, entry) == told);
    *page = 1;
    g_assert_false(collapse_zero_is(&zero, entry_of(page)));
    collapse_zero_close(&zero);
    munmap(room, 2 * EXTENT_BYTES);
}

static void
read_small(void)
{
    only_read(MADV_NOHUGEPAGE);
}

static void
read_huge(void)
{
    only_read(MADV_HUGEPAGE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-zero/number", by_number);
    g_test_add_func("/collapse-zero/small", read_small);
    g_test_add_func("/collapse-zero/huge", read_huge);
    return g_test_run();
}
