/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UFFDIO_COPY into a target whose memory cgroup is full is not refused: the
 * kernel looks for somebody to kill in that cgroup, and finds the target. So
 * whoever copies has to look at the margin before.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "collapse/collapse-margin.h"
#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/kernel/support/kernel-fixture.h"

#define EXTENTS 8
#define LEFT_BYTES (EXTENTS / 2 * EXTENT_BYTES)
#define DEATH_MS 5000

static bool
is_killed(pid_t pid)
{
    siginfo_t info = {0};
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
    return info.si_pid == pid && info.si_code == CLD_KILLED &&
           info.si_status == SIGKILL;
}

static bool
is_killed_soon(pid_t pid)
{
    for (int ms = 0; ms < DEATH_MS && !is_killed(pid); ms += 10) {
        g_usleep(10000);
    }
    return is_killed(pid);
}

/* Copies page by page until one is not taken, or the margin is below LEAST. */
static UffdOutcome
copy_until(KernelFixture *k, const CollapseMargin *margin, uint64_t least)
{
    uint8_t page[PAGE_BYTES];
    UffdOutcome outcome = UFFD_DONE;
    memset(page, 7, sizeof page);
    for (uint64_t at = 0; at < k->bytes && outcome == UFFD_DONE &&
                          (!least || collapse_margin_bytes(margin) > least);
         at += PAGE_BYTES) {
        outcome = uffd_fd_copy(k->uffd, k->theirs + at, page, PAGE_BYTES);
    }
    return outcome;
}

static void
copy(uint64_t least, bool killed)
{
    g_auto(KernelCgroup) cgroup = {0};
    g_auto(KernelFixture) k = {0};
    const char *reason = NULL;
    if (!kernel_fixture_need(kernel_cgroup_init(&cgroup, &reason), reason)) {
        return;
    }
    kernel_fixture_init_armed(&k, EXTENTS);
    kernel_cgroup_enter(&cgroup, k.guest.pid);
    kernel_cgroup_limit(&cgroup,
                        kernel_cgroup_usage_bytes(&cgroup) + LEFT_BYTES);
    {
        g_autoptr(CollapseMargin) margin = collapse_margin_open(k.guest.pid);
        g_assert_cmpuint(collapse_margin_bytes(margin), <=, LEFT_BYTES);
        UffdOutcome outcome = copy_until(&k, margin, least);
        g_test_message("the last page: %s; %" G_GUINT64_FORMAT " KiB left",
                       uffd_outcome_name(outcome),
                       collapse_margin_bytes(margin) >> 10);
        g_assert_true((outcome == UFFD_DONE) == !killed);
    }
    if (killed) {
        g_assert_true(is_killed_soon(k.guest.pid));
    } else {
        g_assert_cmpint(kernel_guest_read(&k.guest, k.theirs), ==, 7);
    }
    kernel_fixture_clear(&k); /* before the cgroup, whose member it is */
}

static void
without_looking(void)
{
    copy(0, true);
}

static void
looking_before(void)
{
    copy(1 << 20, false);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/copy-at-the-limit/without-looking",
                       without_looking);
    kernel_fixture_add("/kernel/copy-at-the-limit/looking-before",
                       looking_before);
    return g_test_run();
}
