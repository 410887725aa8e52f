/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Laying huge folios: exactly the wanted extents, nothing left behind by a
 * refusal, tails and offsets, and what is said when it cannot be done.
 * Needs MADV_COLLAPSE on shared memory (Linux 6.1), no privilege.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-lay.h"

#define EXTENTS 6

static int
make_file(uint64_t bytes)
{
    int file = memfd_create("lay", MFD_CLOEXEC);
    g_assert_no_errno(file);
    g_assert_no_errno(ftruncate(file, (off_t)bytes));
    return file;
}

static uint64_t
allocated_bytes(int file)
{
    struct stat info;
    g_assert_no_errno(fstat(file, &info));
    return (uint64_t)info.st_blocks * 512;
}

static CollapseLayResult
lay(CollapseLayBlock *blocks, unsigned n)
{
    g_autoptr(GError) error = NULL;
    CollapseLayResult result;
    /* Unprivileged we may not join our own cgroup: that is only a warning. */
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK);
    collapse_lay(blocks, n, getpid(), &result, &error);
    g_log_set_always_fatal(fatal);
    g_assert_no_error(error);
    return result;
}

/* True if extent EXTENT of the file is allocated as a whole. */
static bool
is_data(int file, uint64_t extent)
{
    off_t start = (off_t)(extent * EXTENT_BYTES);
    return lseek(file, start, SEEK_DATA) == start &&
           lseek(file, start, SEEK_HOLE) >= start + (off_t)EXTENT_BYTES;
}

static void
the_wanted_extents_and_no_other(void)
{
    uint8_t wanted[EXTENTS] = {1, 0, 0, 1, 1, 0}, laid[EXTENTS];
    memset(laid, 7, sizeof laid);
    autofd file = make_file(EXTENTS * EXTENT_BYTES);
    CollapseLayBlock block = {.file = file, .bytes = EXTENTS * EXTENT_BYTES,
                              .wanted = wanted, .laid = laid};
    CollapseLayResult result = lay(&block, 1);
    g_assert_cmpuint(result.laid_extents, ==, 3);
    g_assert_cmpuint(result.failed_extents, ==, 0);
    g_assert_cmpuint(collapse_errors_total(&result.errors), ==, 0);
    g_assert_cmpuint(result.ns, >, 0);
    g_assert_cmpmem(laid, EXTENTS, wanted, EXTENTS);
    g_assert_cmpuint(allocated_bytes(file), ==, 3 * EXTENT_BYTES);
    for (unsigned i = 0; i < EXTENTS; i++) {
        g_assert_cmpint(is_data(file, i), ==, wanted[i]);
    }
}

/* Two blocks in one file, and a tail of 5 pages that stays a hole. */
static void
offsets_and_tails(void)
{
    uint8_t wanted[2][3] = {{1, 1, 1}, {0, 1, 1}};
    uint8_t laid[2][3] = {{9, 9, 9}, {9, 9, 9}};
    autofd file = make_file(5 * EXTENT_BYTES);
    CollapseLayBlock blocks[] = {
        {.file = file, .bytes = 2 * EXTENT_BYTES + 5 * PAGE_BYTES,
         .wanted = wanted[0], .laid = laid[0]},
        {.file = file, .offset = 3 * EXTENT_BYTES, .bytes = 2 * EXTENT_BYTES,
         .wanted = wanted[1], .laid = laid[1]},
    };
    CollapseLayResult result = lay(blocks, 2);
    g_assert_cmpuint(result.laid_extents, ==, 3);
    g_assert_cmpuint(result.failed_extents, ==, 0);
    g_assert_cmpmem(laid, 6, ((uint8_t[]){1, 1, 9, 0, 1, 9}), 6);
    g_assert_cmpuint(allocated_bytes(file), ==, 3 * EXTENT_BYTES);
    g_assert_false(is_data(file, 2));
    g_assert_true(is_data(file, 4));
}

/* More than are tried one by one before it gives up. */
#define REFUSED_EXTENTS 100

static CollapseLayResult
lay_all(int file, uint8_t laid[REFUSED_EXTENTS])
{
    uint8_t wanted[REFUSED_EXTENTS];
    memset(wanted, 1, sizeof wanted);
    memset(laid, 7, REFUSED_EXTENTS);
    CollapseLayBlock block = {.file = file,
                              .bytes = REFUSED_EXTENTS * EXTENT_BYTES,
                              .wanted = wanted,
                              .laid = laid};
    return lay(&block, 1);
}

static void
assert_all_refused(int file, int errnum)
{
    uint8_t laid[REFUSED_EXTENTS];
    CollapseLayResult result = lay_all(file, laid);
    g_assert_cmpuint(result.laid_extents, ==, 0);
    g_assert_cmpuint(result.failed_extents, ==, REFUSED_EXTENTS);
    g_assert_cmpint(result.errors.kinds[0].errnum, ==, errnum);
    g_assert_cmpuint(result.errors.kinds[0].count, ==, REFUSED_EXTENTS);
    g_assert_cmpmem(laid, sizeof laid, ((uint8_t[REFUSED_EXTENTS]){0}),
                    REFUSED_EXTENTS);
    g_assert_cmpuint(allocated_bytes(file), ==, 0);
}

/* The child inherits the setting that forbids huge pages. */
static void
a_refused_collapse_leaves_nothing_behind(void)
{
    autofd file = make_file(REFUSED_EXTENTS * EXTENT_BYTES);
    g_assert_no_errno(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    assert_all_refused(file, EINVAL);
    g_assert_no_errno(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
}

static void
a_file_that_cannot_be_mapped(void)
{
    autofd file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_no_errno(
        ftruncate(file, (off_t)(REFUSED_EXTENTS * EXTENT_BYTES)));
    g_assert_no_errno(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
    assert_all_refused(file, EPERM);
}

/* Waits for a child of PARENT that is not itself, and kills it at work. */
static G_GNUC_NORETURN void
kill_the_other_child(pid_t parent)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/children", parent, parent);
    for (int tries = 0; tries < 5000; tries++) {
        g_autofree char *text = NULL;
        int first = 0, second = 0;
        if (g_file_get_contents(path, &text, NULL, NULL) &&
            sscanf(text, "%d %d", &first, &second) == 2) {
            g_usleep(3000);
            kill(first == getpid() ? second : first, SIGKILL);
            _exit(0);
        }
        g_usleep(100);
    }
    _exit(1);
}

/* False if the killer came too late: then the file is another. */
static bool
is_killed_at_work(CollapseLayBlock *block, CollapseLayResult *result,
                  GError **error)
{
    pid_t parent = getpid(), killer = fork();
    if (killer == 0) {
        kill_the_other_child(parent);
    }
    bool killed = !collapse_lay(block, 1, getpid(), result, error);
    g_assert_cmpint(waitpid(killer, NULL, 0), ==, killer);
    return killed;
}

/* Whoever kills it, what it did and did not do is known. */
static void
a_killed_child_leaves_the_truth_behind(void)
{
    g_autoptr(GError) error = NULL;
    uint8_t wanted[REFUSED_EXTENTS], laid[REFUSED_EXTENTS];
    uint64_t sum = 0;
    autofd file = make_file(REFUSED_EXTENTS * EXTENT_BYTES);
    memset(wanted, 1, sizeof wanted);
    CollapseLayBlock block = {.file = file,
                              .bytes = REFUSED_EXTENTS * EXTENT_BYTES,
                              .wanted = wanted, .laid = laid};
    CollapseLayResult result;
    for (int tries = 1; !is_killed_at_work(&block, &result, &error); tries++) {
        g_assert_cmpint(tries, <, 20);
        close(file);
        file = make_file(REFUSED_EXTENTS * EXTENT_BYTES);
        block.file = file;
    }
    g_assert_nonnull(strstr(error->message, "was killed"));
    g_assert_nonnull(strstr(error->message, "raise the memory limit"));
    for (unsigned i = 0; i < REFUSED_EXTENTS; i++) {
        sum += laid[i];
        g_assert_cmpint(is_data(file, i), ==, laid[i]);
    }
    g_test_message("%u of %u extents were laid", (unsigned)sum,
                   REFUSED_EXTENTS);
    g_assert_cmpuint(result.laid_extents, ==, sum);
    g_assert_cmpuint(result.failed_extents, ==, REFUSED_EXTENTS - sum);
    g_assert_cmpuint(allocated_bytes(file), ==, sum * EXTENT_BYTES);
}

static void
assert_refused(uint64_t offset, uint64_t bytes, const char *reason)
{
    g_autoptr(GError) error = NULL;
    uint8_t one = 1, laid = 0;
    autofd file = make_file(EXTENT_BYTES);
    CollapseLayBlock block = {.file = file, .offset = offset, .bytes = bytes,
                              .wanted = &one, .laid = &laid};
    CollapseLayResult result;
    g_assert_false(collapse_lay(&block, 1, getpid(), &result, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, reason));
}

static void
blocks_that_cannot_be(void)
{
    assert_refused(PAGE_BYTES, EXTENT_BYTES, "not a multiple of 2 MiB");
    assert_refused(0, 2 * EXTENT_BYTES, "shorter than the RAM block");
    assert_refused(EXTENT_BYTES, UINT64_MAX, "shorter than the RAM block");
}

typedef struct {
    unsigned calls, allowed;
    uint64_t last;
} Watch;

static bool
on_watch(uint64_t tried, gpointer data)
{
    Watch *watch = data;
    g_assert_cmpuint(tried, >=, watch->last);
    g_assert_cmpuint(tried, <=, EXTENTS);
    watch->last = tried;
    return ++watch->calls <= watch->allowed;
}

/* Whoever watches is told, and may end it: what is laid by then stays, nothing
 * is half laid. */
static void
a_watcher_ends_it(gconstpointer data)
{
    bool ends = GPOINTER_TO_INT(data);
    Watch watch = {.allowed = ends ? 0 : 1000};
    uint8_t wanted[EXTENTS] = {1, 1, 1, 1, 1, 1}, laid[EXTENTS];
    autofd file = make_file(EXTENTS * EXTENT_BYTES);
    CollapseLayBlock block = {.file = file, .bytes = EXTENTS * EXTENT_BYTES,
                              .wanted = wanted, .laid = laid};
    g_autoptr(GError) error = NULL;
    CollapseLayResult result;
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK);
    bool ok = collapse_lay_watched(&block, 1, getpid(), on_watch, &watch,
                                   &result, &error);
    g_log_set_always_fatal(fatal);
    g_assert_true(ok != ends);
    g_assert_true(!ends || error_is(error, ERROR_CANCELLED));
    g_assert_cmpuint(watch.calls, >=, 1);
    g_assert_cmpuint(result.laid_extents + result.failed_extents, ==, EXTENTS);
    g_assert_cmpuint(allocated_bytes(file), ==,
                     result.laid_extents * EXTENT_BYTES);
}

static void
nothing_to_do(void)
{
    CollapseLayResult result = lay(NULL, 0);
    g_assert_cmpuint(result.laid_extents + result.failed_extents, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-lay/wanted", the_wanted_extents_and_no_other);
    g_test_add_func("/collapse-lay/offsets", offsets_and_tails);
    g_test_add_func("/collapse-lay/refused",
                    a_refused_collapse_leaves_nothing_behind);
    g_test_add_func("/collapse-lay/sealed", a_file_that_cannot_be_mapped);
    g_test_add_func("/collapse-lay/killed",
                    a_killed_child_leaves_the_truth_behind);
    g_test_add_func("/collapse-lay/impossible", blocks_that_cannot_be);
    g_test_add_data_func("/collapse-lay/watched", GINT_TO_POINTER(FALSE),
                         a_watcher_ends_it);
    g_test_add_data_func("/collapse-lay/watched/ended", GINT_TO_POINTER(TRUE),
                         a_watcher_ends_it);
    g_test_add_func("/collapse-lay/nothing", nothing_to_do);
    return g_test_run();
}
