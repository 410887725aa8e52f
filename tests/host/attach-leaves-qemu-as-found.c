/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Attaching two hundred times to a real QEMU with its sandbox on, idle or
 * busy, changes nothing in it; nor does a helper that is killed meanwhile.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/attach-remote.h"
#include "attach/attach.h"
#include "base/fd.h"
#include "base/histogram.h"
#include "tests/support/lone-qemu.h"
#include "tests/support/victim-run.h"

#define ROUNDS 200
#define KILLS 20 /* at each step */

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

static void
die_at(AttachStep step, void *data)
{
    if (step == *(AttachStep *)data) {
        kill(getpid(), SIGKILL);
    }
}

static void
attach_once(pid_t pid, Histogram *whole)
{
    g_autoptr(GError) error = NULL;
    int remote = -1;
    uint64_t begin = fd_now_ns();
    autofd fd = attach_create_userfaultfd(pid, &remote, &error);
    histogram_add(whole, fd_now_ns() - begin);
    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    attach_close_userfaultfd(pid, remote, &error);
    g_assert_no_error(error);
}

static void
report(const char *what, const Histogram *h)
{
    g_test_message("%s: p50 %.0f us, p99 %.0f us, max %.0f us", what,
                   (double)histogram_quantile_ns(h, 0.5) / 1e3,
                   (double)histogram_quantile_ns(h, 0.99) / 1e3,
                   (double)h->max_ns / 1e3);
}

static void
kill_helpers(LoneQemu *qemu)
{
    for (AttachStep step = 0; step < ATTACH_STEPS; step++) {
        for (int i = 0; i < KILLS; i++) {
            pid_t helper = fork();
            if (helper == 0) {
                int remote;
                attach_remote_seam = (AttachSeam){die_at, &step, false};
                attach_create_userfaultfd(qemu->pid, &remote, NULL);
                _exit(0);
            }
            int status;
            waitpid(helper, &status, 0);
            g_assert_true(WIFSIGNALED(status));
        }
        lone_qemu_prove(qemu);
    }
}

static void
close_all(pid_t pid)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = attach_list_userfaultfds(pid, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==,
                     KILLS * (ATTACH_STEPS - ATTACH_STEP_AIMED));
    for (guint i = 0; i < found->len; i++) {
        attach_close_userfaultfd(pid, g_array_index(found, int, i), &error);
        g_assert_no_error(error);
    }
}

static void
test_qemu(gconstpointer data)
{
    const LoneQemuOptions *options = data;
    LoneQemu qemu;
    static Histogram whole;
    if (!victim_run_is_possible() || !lone_qemu_start(&qemu, options)) {
        return;
    }
    lone_qemu_prove(&qemu);
    g_autofree char *before = victim_run_descriptors(qemu.pid);
    stood_still = whole = (Histogram){0};
    attach_remote_seam = (AttachSeam){watch, NULL, false};
    for (int i = 0; i < ROUNDS; i++) {
        attach_once(qemu.pid, &whole);
        lone_qemu_prove(&qemu);
    }
    report("create, all in all", &whole);
    report("the thread stood still, per call", &stood_still);
    kill_helpers(&qemu);
    close_all(qemu.pid);
    g_autofree char *after = victim_run_descriptors(qemu.pid);
    g_assert_cmpstr(before, ==, after);
    lone_qemu_prove(&qemu);
    lone_qemu_stop(&qemu);
}

int
main(int argc, char **argv)
{
    static const LoneQemuOptions idle = {"tcg", false, false};
    static const LoneQemuOptions busy = {"tcg", true, false};
    static const LoneQemuOptions idle_kvm = {"kvm", false, false};
    static const LoneQemuOptions busy_kvm = {"kvm", true, false};
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/host/attach/qemu/tcg-idle", &idle, test_qemu);
    g_test_add_data_func("/host/attach/qemu/tcg-busy", &busy, test_qemu);
    g_test_add_data_func("/host/attach/qemu/kvm-idle", &idle_kvm, test_qemu);
    g_test_add_data_func("/host/attach/qemu/kvm-busy", &busy_kvm, test_qemu);
    return g_test_run();
}
