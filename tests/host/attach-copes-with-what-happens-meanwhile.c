/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In the middle of an attach, at each of its steps, the target is killed or
 * stopped; or its main thread sleeps so deep that no tracer can stop it.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/attach-remote.h"
#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "tests/support/victim-run.h"

typedef struct {
    AttachStep step;
    pid_t target;
    int signal;
} Meanwhile;

static void
send_at(AttachStep step, void *data)
{
    const Meanwhile *m = data;
    if (step == m->step) {
        kill(m->target, m->signal);
    }
}

static void
test_killed(void)
{
    if (!victim_run_is_possible()) {
        return;
    }
    for (AttachStep step = 0; step < ATTACH_STEPS; step++) {
        VictimRun run;
        int remote = -1;
        g_autoptr(GError) error = NULL;
        victim_run_start(&run, "busy");
        Meanwhile meanwhile = {step, run.pid, SIGKILL};
        attach_remote_seam = (AttachSeam){send_at, &meanwhile, false};
        autofd fd = attach_create_userfaultfd(run.pid, &remote, &error);
        attach_remote_seam = (AttachSeam){0};
        /* Killed after the last step, it may still live when the descriptor
         * is copied. */
        g_test_message("killed at %s: %s", attach_step_name(step),
                       error ? error->message : "done before that");
        if (step < ATTACH_STEP_RESTORED) {
            g_assert_cmpint(fd, ==, -1);
            g_assert_cmpint(remote, ==, -1);
        }
        g_assert_true((fd >= 0) == !error);
        g_assert_true(!error || error_is(error, ERROR_VM_GONE));
        victim_run_stop(&run);
    }
}

static char
state_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strrchr(text, ')')[2];
}

/* Nobody may take away a stop that somebody asked for. */
static void
test_stopped(gconstpointer mode)
{
    VictimRun run;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, mode);
    g_autofree char *before = victim_run_descriptors(run.pid);
    for (AttachStep step = 0; step < ATTACH_STEPS; step++) {
        int remote = -1;
        g_autoptr(GError) error = NULL;
        Meanwhile meanwhile = {step, run.pid, SIGSTOP};
        attach_remote_seam = (AttachSeam){send_at, &meanwhile, false};
        uint64_t begin = fd_now_ns();
        autofd fd = attach_create_userfaultfd(run.pid, &remote, &error);
        attach_remote_seam = (AttachSeam){0};
        g_test_message("stopped at %s: %s (%.1f ms)", attach_step_name(step),
                       error ? error->message : "attached",
                       (double)(fd_now_ns() - begin) / 1e6);
        if (step == ATTACH_STEP_SEIZED) {
            g_assert_true(fd >= 0 || error_is(error, ERROR_STATE));
        } else {
            g_assert_no_error(error);
        }
        for (int i = 0; i < 10000 && state_of(run.pid) != 'T'; i++) {
            g_usleep(1000);
        }
        g_assert_cmpint(state_of(run.pid), ==, 'T');
        kill(run.pid, SIGCONT);
        victim_run_prove(&run);
        if (fd >= 0) {
            g_clear_error(&error);
            attach_close_userfaultfd(run.pid, remote, &error);
            g_assert_no_error(error);
        }
    }
    g_autofree char *after = victim_run_descriptors(run.pid);
    g_assert_cmpstr(before, ==, after);
    victim_run_prove(&run);
    victim_run_stop(&run);
}

/* How long it takes; each with a victim of its own, whose sleep has just
 * begun. */
static uint64_t
deep_sleep_ns(void)
{
    VictimRun run;
    int remote = -1;
    g_autoptr(GError) error = NULL;
    victim_run_start(&run, "vfork");
    g_usleep(100000);
    uint64_t begin = fd_now_ns();
    autofd fd = attach_create_userfaultfd(run.pid, &remote, &error);
    uint64_t took_ns = fd_now_ns() - begin;
    g_assert_no_error(error);
    g_test_message("another thread served after %.0f ms",
                   (double)took_ns / 1e6);
    attach_close_userfaultfd(run.pid, remote, &error);
    g_assert_no_error(error);
    victim_run_prove(&run);
    victim_run_stop(&run);
    return took_ns;
}

/* Before the sleep ends, which is 3 seconds; the machine may be busy. */
static void
test_deep_sleep(void)
{
    if (!victim_run_is_possible()) {
        return;
    }
    for (int i = 1; deep_sleep_ns() >= UINT64_C(2500000000); i++) {
        g_assert_cmpint(i, <, 5);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/attach/meanwhile/killed", test_killed);
    g_test_add_data_func("/host/attach/meanwhile/stopped-ppoll", "ppoll",
                         test_stopped);
    g_test_add_data_func("/host/attach/meanwhile/stopped-busy", "busy",
                         test_stopped);
    g_test_add_func("/host/attach/meanwhile/deep-sleep", test_deep_sleep);
    return g_test_run();
}
