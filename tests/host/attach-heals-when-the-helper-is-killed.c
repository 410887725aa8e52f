/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A helper killed at any moment of an attach leaves a process that computes
 * on: at each step of the borrow, and at random moments.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/attach-remote.h"
#include "attach/attach.h"
#include "base/fd.h"
#include "tests/support/victim-run.h"

#define RANDOM_KILLS 100 /* in each mode */
#define STEP_KILLS 10    /* at each step, in each mode */

static int seized_pipe[2];

static void
die_at(AttachStep step, void *data)
{
    if (step == *(AttachStep *)data) {
        kill(getpid(), SIGKILL);
    }
}

static void
tell_seized(AttachStep step, void *unused)
{
    (void)unused;
    if (step == ATTACH_STEP_SEIZED && write(seized_pipe[1], "s", 1) != 1) {
        abort();
    }
}

/* A helper that attaches, with SEAM in place; its end is the caller's. */
static pid_t
fork_helper(pid_t target, AttachSeam seam)
{
    pid_t helper = fork();
    g_assert_cmpint(helper, >=, 0);
    if (helper == 0) {
        int remote;
        attach_remote_seam = seam;
        _exit(attach_create_userfaultfd(target, &remote, NULL) < 0);
    }
    return helper;
}

/* What a dead helper leaves behind, in the words of docs/attach.md: at most
 * one userfaultfd. Closing it shows that the target can be attached to. */
static guint
tidy(pid_t target)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) stray = attach_list_userfaultfds(target, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < stray->len; i++) {
        attach_close_userfaultfd(target, g_array_index(stray, int, i), &error);
        g_assert_no_error(error);
    }
    return stray->len;
}

/* A wait with a timeout that is stopped twice can only end with EINTR
 * (docs/attach.md); the victim would complain. So one at a time there; in all
 * other modes the next helper comes before the thread has found home. */
static void
settle(VictimRun *run, const char *mode)
{
    static const char *const timed[] = {"poll", "nanosleep", "futex", NULL};
    if (g_strv_contains(timed, mode)) {
        victim_run_prove(run);
    }
}

/* Nothing else has changed. The helpers are gone, but on a busy machine the
 * target's thread may not yet have made its last call: only when the main
 * thread has gone round once more has it come home. */
static guint
tidy_and_compare(VictimRun *run, const char *before)
{
    victim_run_prove(run);
    guint stray = tidy(run->pid);
    g_autofree char *after = victim_run_descriptors(run->pid);
    g_assert_cmpstr(before, ==, after);
    return stray;
}

static void
test_each_step(gconstpointer mode)
{
    VictimRun run;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, mode);
    g_autofree char *before = victim_run_descriptors(run.pid);
    for (AttachStep step = 0; step < ATTACH_STEPS; step++) {
        for (int i = 0; i < STEP_KILLS; i++) {
            int status;
            pid_t helper =
                fork_helper(run.pid, (AttachSeam){die_at, &step, false});
            waitpid(helper, &status, 0);
            g_assert_true(WIFSIGNALED(status));
            settle(&run, mode);
        }
        guint stray = tidy_and_compare(&run, before);
        g_test_message("killed %d times at: %s; %u userfaultfds left behind",
                       STEP_KILLS, attach_step_name(step), stray);
        /* From the moment that the registers point to the call, it is made:
         * with us or without. */
        g_assert_cmpuint(stray, ==,
                         step >= ATTACH_STEP_AIMED ? STEP_KILLS : 0);
        settle(&run, mode);
    }
    victim_run_stop(&run);
}

/* Half of the delays begin with the helper, half when it has seized. */
static void
kill_at_random(pid_t target, bool when_seized)
{
    char byte;
    g_assert_cmpint(pipe(seized_pipe), ==, 0);
    pid_t helper =
        fork_helper(target, (AttachSeam){tell_seized, NULL, false});
    close(seized_pipe[1]);
    uint64_t delay_ns = (uint64_t)g_test_rand_int_range(0, 2000000);
    if (when_seized && read(seized_pipe[0], &byte, 1) == 1) {
        delay_ns = (uint64_t)g_test_rand_int_range(0, 250000);
    }
    for (uint64_t end = fd_now_ns() + delay_ns; fd_now_ns() < end;) {
        continue;
    }
    kill(helper, SIGKILL);
    waitpid(helper, NULL, 0);
    close(seized_pipe[0]);
}

static void
test_random(gconstpointer mode)
{
    VictimRun run;
    guint stray = 0;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, mode);
    g_autofree char *before = victim_run_descriptors(run.pid);
    for (int i = 0; i < RANDOM_KILLS; i++) {
        kill_at_random(run.pid, i % 2);
        settle(&run, mode);
        stray += tidy(run.pid);
        settle(&run, mode);
    }
    stray += tidy_and_compare(&run, before);
    g_test_message("%s: %d helpers killed, %u userfaultfds left behind and "
                   "closed",
                   (const char *)mode, RANDOM_KILLS, stray);
    victim_run_prove(&run);
    victim_run_stop(&run);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const char *const *mode = victim_run_modes; *mode; mode++) {
        g_autofree char *step =
            g_strdup_printf("/host/attach/killed-at-each-step/%s", *mode);
        g_autofree char *random =
            g_strdup_printf("/host/attach/killed-at-random/%s", *mode);
        g_test_add_data_func(step, *mode, test_each_step);
        g_test_add_data_func(random, *mode, test_random);
    }
    return g_test_run();
}
