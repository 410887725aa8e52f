/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A kernel that is long in compacting, here a full pipe, keeps nobody waiting:
 * who asked may go on, give up, and end.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"
#include "collapse/collapse-compact.h"

typedef struct {
    int ends[2];
    size_t pages;
    char *path; /* to be opened for writing */
} Busy;

static void
busy_begin(Busy *busy)
{
    char page[4096] = {0};
    g_assert_no_errno(pipe2(busy->ends, O_CLOEXEC | O_NONBLOCK));
    busy->pages = 0;
    while (write(busy->ends[1], page, sizeof page) > 0) {
        busy->pages++;
    }
    busy->path = g_strdup_printf("/proc/self/fd/%d", busy->ends[1]);
}

/* What it was full of, and not what has been written since. */
static void
empty(const Busy *busy)
{
    char page[4096];
    for (size_t i = 0; i < busy->pages; i++) {
        g_assert_cmpint(read(busy->ends[0], page, sizeof page), ==,
                        sizeof page);
    }
}

static void
busy_end(Busy *busy)
{
    fd_clear(&busy->ends[0]);
    fd_clear(&busy->ends[1]);
    g_free(busy->path);
}

static void
it_goes_on_by_itself(void)
{
    Busy busy;
    busy_begin(&busy);
    g_autoptr(CollapseCompact) compact = collapse_compact_start_at(busy.path);
    g_assert_nonnull(compact);
    g_assert_true(collapse_compact_is_running(compact));
    empty(&busy);
    while (collapse_compact_is_running(compact)) {
        g_usleep(1000);
    }
    char asked = 0;
    g_assert_cmpint(read(busy.ends[0], &asked, 1), ==, 1);
    g_assert_cmpint(asked, ==, '1');
    busy_end(&busy);
}

static void
it_is_left_to_itself(void)
{
    Busy busy;
    busy_begin(&busy);
    CollapseCompact *compact = collapse_compact_start_at(busy.path);
    g_assert_nonnull(compact);
    collapse_compact_free(compact);
    empty(&busy);
    struct pollfd asked = {.fd = busy.ends[0], .events = POLLIN};
    g_assert_cmpint(poll(&asked, 1, -1), ==, 1);
    busy_end(&busy);
}

/* The process is over when the test is. */
static void
it_does_not_keep_the_process(void)
{
    static Busy busy;
    busy_begin(&busy);
    CollapseCompact *compact = collapse_compact_start_at(busy.path);
    g_assert_nonnull(compact);
    g_assert_true(collapse_compact_is_running(compact));
    collapse_compact_free(compact);
}

static void
it_may_not(void)
{
    g_assert_null(collapse_compact_start_at("/nonexistent"));
    collapse_compact_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-compact/goes-on", it_goes_on_by_itself);
    g_test_add_func("/collapse-compact/left-alone", it_is_left_to_itself);
    g_test_add_func("/collapse-compact/not-allowed", it_may_not);
    g_test_add_func("/collapse-compact/at-the-end",
                    it_does_not_keep_the_process);
    return g_test_run();
}
