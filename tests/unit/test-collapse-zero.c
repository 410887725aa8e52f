/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which frames are those of a zero page: by number, and in our own memory.
 */
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/range.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-zero.h"
#include "tests/support/zero-probe.h"

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

/* Read before the frames are looked for: what the kernel has for us now, it has
 * for us then. Only CAP_SYS_ADMIN is told. A kernel that gives us a page of our
 * own has nothing that would count as a zero page. */
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
    uint64_t entry = zero_probe_entry(page);
    g_assert_true(entry & PRESENT);
    ZeroProbe probe = zero_probe_page(page);
    bool is_zero = probe == ZERO_PROBE_ZERO;
    g_test_message("a first read gets %s",
                   is_zero                       ? "a zero page"
                   : probe == ZERO_PROBE_UNKNOWN ? "what we are not told"
                                                 : "a page of its own");
    g_assert_true(collapse_zero_is(&zero, entry) == is_zero);
    if (advice == MADV_NOHUGEPAGE) {
        g_assert_true((zero.small != 0) == is_zero);
    }
    *page = 1;
    g_assert_false(collapse_zero_is(&zero, zero_probe_entry(page)));
    collapse_zero_close(&zero);
    munmap(room, 2 * EXTENT_BYTES);
}

/* A kernel that is played: what a first read gets. */
typedef struct {
    bool shares_small, shares_huge; /* one zero page for all, or own pages */
    bool has_huge;                  /* else small ones in their place */
    uint64_t last;                  /* frame that was given out */
} Kernel;

static bool
look(gpointer data, uint64_t hva, uint64_t *entries, size_t n)
{
    Kernel *kernel = data;
    bool huge = n > 1 && kernel->has_huge;
    uint64_t step = huge ? PAGES_PER_EXTENT : 1;
    g_assert_cmpuint(hva % PAGE_BYTES, ==, 0);
    kernel->last += step;
    bool shares = huge ? kernel->shares_huge : kernel->shares_small;
    uint64_t first = shares ? step * 8 : kernel->last / step * step;
    memset(entries, 0, n * sizeof *entries);
    for (size_t i = 0; i < (huge ? n : 1); i++) {
        entries[i] = PRESENT | (first + i);
    }
    return true;
}

static void
any_kernel(void)
{
    static const struct {
        Kernel kernel;
        uint64_t small, huge;
    } cases[] = {
        {{true, true, true, 100000}, 8, 8 * PAGES_PER_EXTENT},
        {{true, true, false, 100000}, 8, 0},
        {{true, false, true, 100000}, 8, 0},
        {{false, true, true, 100000}, 0, 8 * PAGES_PER_EXTENT},
        {{false, false, true, 100000}, 0, 0},
        {{false, false, false, 100000}, 0, 0},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Kernel kernel = cases[i].kernel;
        CollapseZero zero;
        collapse_zero_open_by(&zero, look, &kernel);
        g_assert_cmpuint(zero.small, ==, cases[i].small);
        g_assert_cmpuint(zero.huge, ==, cases[i].huge);
        /* Nothing that was given to us alone is a zero page. */
        for (uint64_t own = 100000; own <= kernel.last; own++) {
            g_assert_false(collapse_zero_is(&zero, PRESENT | own));
        }
        collapse_zero_close(&zero);
    }
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
    g_test_add_func("/collapse-zero/any-kernel", any_kernel);
    g_test_add_func("/collapse-zero/small", read_small);
    g_test_add_func("/collapse-zero/huge", read_huge);
    return g_test_run();
}
