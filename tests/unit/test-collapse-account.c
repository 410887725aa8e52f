/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Coverage of our own mappings: what is touched counts, what is beside the
 * range does not, and nothing there is an error.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/range.h"
#include "collapse/collapse-account.h"

#define BYTES (64 * PAGE_BYTES)

/* Shared memory is not merged with its neighbours, so the mapping is ours
 * alone. */
static uint8_t *
map(void)
{
    uint8_t *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(at != MAP_FAILED);
    return at;
}

static CollapseCoverage
account(const void *at, uint64_t bytes)
{
    g_autoptr(GError) error = NULL;
    CollapseCoverage coverage = {99, 99};
    collapse_account_range(getpid(), (uintptr_t)at, bytes, &coverage, &error);
    g_assert_no_error(error);
    return coverage;
}

static void
what_is_present_counts(void)
{
    uint8_t *at = map(), *other = map();
    g_assert_cmpuint(account(at, BYTES).rss_bytes, ==, 0);
    memset(at, 1, 10 * PAGE_BYTES);
    memset(other, 1, BYTES);
    CollapseCoverage coverage = account(at, BYTES);
    g_assert_cmpuint(coverage.rss_bytes, ==, 10 * PAGE_BYTES);
    g_assert_cmpuint(coverage.huge_bytes, ==, 0);
    munmap(at, BYTES);
    munmap(other, BYTES);
}

/* mprotect() cuts a mapping in two; both halves count. */
static void
several_mappings_add_up(void)
{
    uint8_t *at = map();
    memset(at, 1, BYTES);
    g_assert_no_errno(mprotect(at, BYTES / 2, PROT_READ));
    g_assert_cmpuint(account(at, BYTES).rss_bytes, ==, BYTES);
    g_assert_cmpuint(account(at, PAGE_BYTES).rss_bytes, ==, BYTES / 2);
    munmap(at, BYTES);
}

static void
nothing_there_is_an_error(void)
{
    g_autoptr(GError) error = NULL;
    CollapseCoverage coverage;
    /* Below vm.mmap_min_addr: what is unmapped elsewhere may be taken again
     * by the allocations of the call itself. */
    const uint64_t hva = PAGE_BYTES;
    g_assert_false(collapse_account_range(getpid(), hva, BYTES, &coverage,
                                          &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_clear_error(&error);
    g_assert_false(collapse_account_range(0x7ffffffe, hva, BYTES, &coverage,
                                          &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-account/present", what_is_present_counts);
    g_test_add_func("/collapse-account/several", several_mappings_add_up);
    g_test_add_func("/collapse-account/nothing", nothing_there_is_an_error);
    return g_test_run();
}
