/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Attaching to a process that computes, waits and takes signals, two hundred
 * times, changes nothing in it but the descriptor that was asked for.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attach/attach-remote.h"
#include "attach/attach.h"
#include "base/fd.h"
#include "base/histogram.h"
#include "tests/support/victim-run.h"

#define ROUNDS 200

static uint64_t stopped_at_ns;
static Histogram stood_still;

static void
watch(AttachStep step, void *unused)
{
    (void)unused;
    if (step == ATTACH_STEP_STOPPED) {
        stopped_at_ns = fd_now_ns();
    } else if (step == ATTACH_STEP_DETACHED) {
        histogram_add(&stood_still, fd_now_ns() - stopped_at_ns);
    }
}

/* What came back is a userfaultfd that nobody has spoken to. */
static void
check_fresh(int fd)
{
    struct uffdio_api api = {.api = UFFD_API};
    g_assert_cmpint(ioctl(fd, UFFDIO_API, &api), ==, 0);
    g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
attach_once(pid_t pid)
{
    g_autoptr(GError) error = NULL;
    int remote = -1;
    autofd fd = attach_create_userfaultfd(pid, &remote, &error);
    g_assert_no_error(error);
    check_fresh(fd);
    autofd second = attach_copy_fd(pid, remote, &error);
    g_assert_no_error(error);
    g_autoptr(GArray) found = attach_list_userfaultfds(pid, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 1);
    g_assert_cmpint(g_array_index(found, int, 0), ==, remote);
    attach_close_userfaultfd(pid, remote, &error);
    g_assert_no_error(error);
}

static void
leave_as_found(const char *mode, bool plain)
{
    VictimRun run;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, mode);
    victim_run_prove(&run);
    g_autofree char *before = victim_run_descriptors(run.pid);
    stood_still = (Histogram){0};
    attach_remote_seam = (AttachSeam){.step = watch, .plain = plain};
    uint64_t begin = fd_now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        attach_once(run.pid);
    }
    g_test_message("%s: %d attaches and closes, %.2f ms each; stood still "
                   "p50 %.0f us, p99 %.0f us, max %.0f us",
                   mode, ROUNDS, (double)(fd_now_ns() - begin) / ROUNDS / 1e6,
                   (double)histogram_quantile_ns(&stood_still, 0.5) / 1e3,
                   (double)histogram_quantile_ns(&stood_still, 0.99) / 1e3,
                   (double)stood_still.max_ns / 1e3);
    g_autofree char *after = victim_run_descriptors(run.pid);
    g_assert_cmpstr(before, ==, after);
    victim_run_prove(&run);
    victim_run_stop(&run);
}

static void
test_mode(gconstpointer mode)
{
    leave_as_found(mode, false);
}

static void
test_plain(gconstpointer mode)
{
    leave_as_found(mode, true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const char *const *mode = victim_run_modes; *mode; mode++) {
        g_autofree char *path = g_strdup_printf("/host/attach/%s", *mode);
        g_test_add_data_func(path, *mode, test_mode);
    }
    g_test_add_data_func("/host/attach/without-gadgets", "ppoll", test_plain);
    return g_test_run();
}
