/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A target is checked when it is opened; errors are counted by kind.
 * What MADV_COLLAPSE answers when: tests/kernel/.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-sweep.h"

static pid_t
reaped_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    return pid;
}

static void
a_process_that_is_gone(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(collapse_target_open(reaped_child(), &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_nonnull(strstr(error->message, "cannot collapse the memory of"));
}

/* A child that is not root tries process 1: the message says what is missing. */
static void
without_permission(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        g_autoptr(GError) error = NULL;
        bool refused = (geteuid() != 0 ||
                        setresuid(65534, 65534, 65534) == 0) &&
                       !collapse_target_open(1, &error) &&
                       error_is(error, ERROR_UNSUPPORTED) &&
                       strstr(error->message, "CAP_SYS_NICE");
        _exit(refused ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

/* The kernel may have no huge page, or no time for us, right now. */
static int
collapse_soon(CollapseTarget *target, uint64_t hva)
{
    uint64_t deadline = fd_deadline_ns(10000);
    int errnum;
    while (((errnum = collapse_target_extent(target, hva)) == EAGAIN ||
            errnum == ENOMEM) && fd_now_ns() < deadline) {
        g_usleep(2000);
    }
    return errnum;
}

/* Of our own process any kernel from 6.1 on allows it. */
static void
our_own_memory(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CollapseTarget) target = collapse_target_open(getpid(), &error);
    if (!target && g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") != 0) {
        g_test_skip(error->message);
        return;
    }
    g_assert_no_error(error);
    uint8_t *room = mmap(NULL, 2 * EXTENT_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t hva =
        range_round_down((uintptr_t)room + EXTENT_BYTES - 1, EXTENT_BYTES);
    memset((void *)(uintptr_t)hva, 5, EXTENT_BYTES);
    g_assert_cmpint(collapse_soon(target, hva), ==, 0);
    CollapseCoverage coverage;
    collapse_account_range(getpid(), hva, EXTENT_BYTES, &coverage, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(coverage.huge_bytes, >=, EXTENT_BYTES);
    g_assert_cmpint(((uint8_t *)(uintptr_t)hva)[EXTENT_BYTES - 1], ==, 5);
    munmap(room, 2 * EXTENT_BYTES);
    g_assert_cmpint(collapse_target_extent(target, hva), !=, 0);
}

static void
errors_are_counted_by_kind(void)
{
    CollapseErrors a = {0}, b = {0};
    g_assert_cmpuint(collapse_errors_total(&a), ==, 0);
    collapse_errors_add(&a, EBUSY);
    collapse_errors_add(&a, ENOMEM);
    collapse_errors_add(&a, EBUSY);
    collapse_errors_add(&b, ENOMEM);
    collapse_errors_add(&b, EINVAL);
    collapse_errors_merge(&a, &b);
    g_assert_cmpuint(collapse_errors_total(&a), ==, 5);
    g_assert_cmpint(a.kinds[0].errnum, ==, EBUSY);
    g_assert_cmpuint(a.kinds[0].count, ==, 2);
    g_assert_cmpint(a.kinds[1].errnum, ==, ENOMEM);
    g_assert_cmpuint(a.kinds[1].count, ==, 2);
    g_assert_cmpint(a.kinds[2].errnum, ==, EINVAL);
    g_assert_cmpuint(a.kinds[2].count, ==, 1);
    g_assert_cmpuint(a.kinds[3].count, ==, 0);
}

static void
more_kinds_than_fit_still_add_up(void)
{
    CollapseErrors errors = {0};
    for (int errnum = 1; errnum <= 40; errnum++) {
        collapse_errors_add(&errors, errnum);
    }
    g_assert_cmpuint(collapse_errors_total(&errors), ==, 40);
    g_assert_cmpuint(errors.kinds[15].count, ==, 25);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-sweep/gone", a_process_that_is_gone);
    g_test_add_func("/collapse-sweep/permission", without_permission);
    g_test_add_func("/collapse-sweep/own", our_own_memory);
    g_test_add_func("/collapse-sweep/errors", errors_are_counted_by_kind);
    g_test_add_func("/collapse-sweep/errors/many",
                    more_kinds_than_fit_still_add_up);
    return g_test_run();
}
