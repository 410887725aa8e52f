/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What each extent holds, seen in our own page tables by each of the ways.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/range.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-extents.h"
#include "tests/support/zero-probe.h"

#define EXTENTS 6

typedef GArray *(*Look)(pid_t, GArray *, GError **);

typedef struct {
    uint8_t *room, *base;
    int pins[2]; /* a pipe */
    GArray *areas;
    bool own;
} Fixture;

/* khugepaged may come by at any moment once huge pages are asked for, and
 * leaves an extent alone in which a page is held by someone else. */
static void
pin(Fixture *f, unsigned extent, unsigned page_of_it)
{
    struct iovec page = {.iov_base = f->base + extent * EXTENT_BYTES +
                                     page_of_it * PAGE_BYTES,
                         .iov_len = PAGE_BYTES};
    g_assert_cmpint(vmsplice(f->pins[1], &page, 1, 0), ==, PAGE_BYTES);
}

static void
only_read(Fixture *f, unsigned extent)
{
    uint8_t *page = f->base + extent * EXTENT_BYTES;
    if (f->own) {
        *page = 0;
    } else {
        (void)*(volatile uint8_t *)page;
    }
}

/* On a busy machine the kernel says EAGAIN now and then. */
static bool
collapse(uint8_t *extent)
{
    for (int i = 0; i < 20; i++) {
        if (madvise(extent, EXTENT_BYTES, MADV_COLLAPSE) == 0) {
            return true;
        }
        g_usleep(20000);
    }
    return false;
}

/* Extents: all pages small, all in one huge one, seven pages, none, one that
 * was only read, and one that was only read where huge pages are asked for:
 * there the kernel has the huge zero page (or, for want of it, the small one;
 * both are nothing). Some kernels give a first read a page of its own; with
 * OWN any kernel is made to look like that, by a write. */
static bool
setup(Fixture *f, bool own)
{
    f->own = own;
    f->room = mmap(NULL, (EXTENTS + 1) * EXTENT_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t up = ((uintptr_t)f->room + EXTENT_BYTES - 1) &
                   ~(uintptr_t)(EXTENT_BYTES - 1);
    f->base = (uint8_t *)up;
    madvise(f->base, EXTENTS * EXTENT_BYTES, MADV_NOHUGEPAGE);
    memset(f->base, 1, 2 * EXTENT_BYTES);
    memset(f->base + 2 * EXTENT_BYTES + PAGE_BYTES, 1, 7 * PAGE_BYTES);
    only_read(f, 4);
    g_assert_cmpint(pipe2(f->pins, O_CLOEXEC), ==, 0);
    pin(f, 0, 1);
    pin(f, 2, 1);
    if (zero_probe_page(f->base + 4 * EXTENT_BYTES) == ZERO_PROBE_OWN) {
        pin(f, 4, 0);
    }
    madvise(f->base, EXTENTS * EXTENT_BYTES, MADV_HUGEPAGE);
    only_read(f, 5);
    f->areas = g_array_new(false, true, sizeof(CollapseArea));
    CollapseArea area = {.hva = (uintptr_t)f->base, .extents = EXTENTS};
    g_array_append_val(f->areas, area);
    return collapse(f->base + EXTENT_BYTES);
}

static void
teardown(Fixture *f)
{
    close(f->pins[0]);
    close(f->pins[1]);
    munmap(f->room, (EXTENTS + 1) * EXTENT_BYTES);
    g_array_unref(f->areas);
}

static void
assert_extent(GArray *extents, guint i, unsigned pages, unsigned outcome)
{
    const CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
    g_assert_cmpuint(e->pages, ==, pages);
    g_assert_cmpuint(e->outcome, ==, outcome);
}

/* Zero pages are nothing; pages of its own are what they are, also where they
 * were only read. Who is told no frames (all but CAP_SYS_ADMIN) cannot say what
 * this kernel has for a first read. */
static void
assert_only_read(const Fixture *f, GArray *extents, guint i, bool by_scan)
{
    unsigned own = zero_probe_count_own(f->base + i * EXTENT_BYTES,
                                        PAGES_PER_EXTENT);
    bool huge = own == PAGES_PER_EXTENT && by_scan;
    assert_extent(extents, i, own, own == 0 ? COLLAPSE_OUTCOME_EMPTY
                                   : huge   ? COLLAPSE_OUTCOME_ALREADY
                                            : COLLAPSE_OUTCOME_WAITING);
}

static void
looked_at(Look look, bool by_scan, bool own)
{
    Fixture f;
    g_autoptr(GError) error = NULL;
    if (!setup(&f, own)) {
        teardown(&f);
        if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
            g_test_fail();
        } else {
            g_test_skip("no huge page to be had here");
        }
        return;
    }
    collapse_account_areas(getpid(), f.areas);
    g_autoptr(GArray) extents = look(getpid(), f.areas, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(extents->len, ==, EXTENTS);
    assert_extent(extents, 0, 512, COLLAPSE_OUTCOME_WAITING);
    /* The old way cannot tell one huge extent in a mapping from another. */
    assert_extent(extents, 1, 512, by_scan ? COLLAPSE_OUTCOME_ALREADY
                                           : COLLAPSE_OUTCOME_WAITING);
    assert_extent(extents, 2, 7, COLLAPSE_OUTCOME_WAITING);
    assert_extent(extents, 3, 0, COLLAPSE_OUTCOME_EMPTY);
    if (zero_probe_page(f.base) != ZERO_PROBE_UNKNOWN) {
        CollapseCount count;
        unsigned data = 0, huge = 0;
        for (guint i = 4; i < EXTENTS; i++) {
            assert_only_read(&f, extents, i, by_scan);
            unsigned own_pages = zero_probe_count_own(
                f.base + i * EXTENT_BYTES, PAGES_PER_EXTENT);
            data += own_pages > 0;
            huge += own_pages == PAGES_PER_EXTENT;
        }
        collapse_extents_count(extents, f.areas, &count);
        g_assert_cmpuint(count.extents, ==, EXTENTS);
        g_assert_cmpuint(count.populated, ==, 3 + data);
        /* How many, also the old way knows. */
        g_assert_cmpuint(count.huge, ==, 1 + huge);
        g_assert_true(data == EXTENTS - 4 || !own);
    }
    teardown(&f);
}

static void
looked_at_both(Look look, bool by_scan)
{
    looked_at(look, by_scan, false);
    looked_at(look, by_scan, true);
}

static void
by_any_means(void)
{
    looked_at_both(collapse_extents_look, collapse_extents_can_scan());
}

static void
by_frames(void)
{
    looked_at_both(collapse_extents_look_frames, collapse_extents_can_scan());
}

static void
by_pagemap(void)
{
    looked_at_both(collapse_extents_look_old, false);
}

/* smaps said that all of the mapping is huge: no call is needed. */
static void
by_pagemap_when_all_is_huge(void)
{
    Fixture f;
    bool huge = setup(&f, false);
    CollapseArea *area = &g_array_index(f.areas, CollapseArea, 0);
    area->hva += EXTENT_BYTES;
    area->extents = 1;
    area->huge_bytes = EXTENT_BYTES;
    g_autoptr(GArray) extents =
        collapse_extents_look_old(getpid(), f.areas, NULL);
    if (huge) {
        assert_extent(extents, 0, 512, COLLAPSE_OUTCOME_ALREADY);
    }
    teardown(&f);
}

/* What hinders an area is said of all in it that holds data. */
static void
a_hindered_area(void)
{
    Fixture f;
    setup(&f, false);
    g_array_index(f.areas, CollapseArea, 0).hindrance =
        COLLAPSE_OUTCOME_NOHUGEPAGE;
    g_autoptr(GArray) extents =
        collapse_extents_look(getpid(), f.areas, NULL);
    assert_extent(extents, 0, 512, COLLAPSE_OUTCOME_NOHUGEPAGE);
    assert_extent(extents, 3, 0, COLLAPSE_OUTCOME_EMPTY);
    teardown(&f);
}

static void
a_process_that_is_gone(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) areas = g_array_new(false, true, sizeof(CollapseArea));
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    g_assert_null(collapse_extents_look(pid, areas, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-extents/any", by_any_means);
    g_test_add_func("/collapse-extents/frames", by_frames);
    g_test_add_func("/collapse-extents/old", by_pagemap);
    g_test_add_func("/collapse-extents/old/all", by_pagemap_when_all_is_huge);
    g_test_add_func("/collapse-extents/hindered", a_hindered_area);
    g_test_add_func("/collapse-extents/gone", a_process_that_is_gone);
    return g_test_run();
}
