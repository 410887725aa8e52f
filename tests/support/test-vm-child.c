/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing outlives a test: not when it fails an assertion, not when the test
 * runner stops it, not when it is killed outright.
 */
#include "tests/support/vm-child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static const char *const sleeper[] = {"sleep", "1000", NULL};

/* What the dying test tells about itself. */
typedef struct {
    pid_t child;
    char directory[256];
} Trace;

/* A zombie counts as gone: an orphan waits for an init that may be slow. */
static bool
is_running(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    const char *state = strrchr(text, ')');
    return !state || !g_str_has_prefix(state, ") Z");
}

static bool
is_gone(pid_t pid)
{
    uint64_t deadline = fd_deadline_ns(5000);
    while (is_running(pid) && fd_now_ns() < deadline) {
        g_usleep(5000);
    }
    return !is_running(pid);
}

/* A "test" in a process of its own: starts a child in a directory with a file
 * in it, tells, and ends by SIGNAL (0: exit). */
static void G_GNUC_NORETURN
run_and_die(int tell, int signal)
{
    Trace trace = {0};
    g_autofree char *directory = vm_child_make_directory("postlude-test",
                                                         NULL);
    g_autofree char *file = g_build_filename(directory, "out", NULL);
    VmChildOptions options = {.argv = sleeper, .stdout_path = file};
    VmChild *child = vm_child_start(&options, NULL);
    trace.child = vm_child_pid(child);
    g_strlcpy(trace.directory, directory, sizeof(trace.directory));
    if (write(tell, &trace, sizeof(trace)) != sizeof(trace) || signal == 0) {
        exit(0);
    }
    raise(signal);
    _exit(99);
}

static Trace
die_by(int signal, int *status)
{
    int pipes[2];
    g_assert_cmpint(pipe(pipes), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(STDOUT_FILENO); /* exit() must not flush our TAP lines again */
        run_and_die(pipes[1], signal);
    }
    close(pipes[1]);
    Trace trace;
    g_assert_true(fd_read_all(pipes[0], &trace, sizeof(trace), 0, NULL));
    close(pipes[0]);
    g_assert_cmpint(waitpid(pid, status, 0), ==, pid);
    return trace;
}

static void
test_nothing_outlives_its_test(gconstpointer data)
{
    int signal = GPOINTER_TO_INT(data);
    int status;
    fflush(stdout);
    Trace trace = die_by(signal, &status);
    g_assert_true(signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal
                         : WIFEXITED(status));
    g_assert_true(is_gone(trace.child));
    g_assert_false(g_file_test(trace.directory, G_FILE_TEST_EXISTS));
}

static void
test_not_even_when_it_is_killed(void)
{
    int status;
    fflush(stdout);
    Trace trace = die_by(SIGKILL, &status);
    g_assert_true(is_gone(trace.child));
    /* Only the directory is left; run.sh has it in its own. */
    g_autofree char *file = g_build_filename(trace.directory, "out", NULL);
    unlink(file);
    g_assert_cmpint(rmdir(trace.directory), ==, 0);
}

static void
test_output_and_status(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = vm_child_make_directory("postlude-test",
                                                         &error);
    g_assert_no_error(error);
    g_autofree char *out = g_build_filename(directory, "out", NULL);
    g_autofree char *err = g_build_filename(directory, "err", NULL);
    const char *const argv[] = {"sh", "-c", "echo $WORD; echo bad >&2; exit 3",
                                NULL};
    const char *const environment[] = {"WORD=good", NULL};
    VmChildOptions options = {.argv = argv, .environment = environment,
                              .stdout_path = out, .stderr_path = err};
    g_autoptr(VmChild) child = vm_child_start(&options, &error);
    g_assert_no_error(error);
    int status;
    g_assert_true(vm_child_wait(child, 10000, &status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 3);
    g_autofree char *out_text = NULL;
    g_autofree char *err_text = NULL;
    g_assert_true(g_file_get_contents(out, &out_text, NULL, NULL));
    g_assert_true(g_file_get_contents(err, &err_text, NULL, NULL));
    g_assert_cmpstr(out_text, ==, "good\n");
    g_assert_cmpstr(err_text, ==, "bad\n");
    vm_child_remove_directory(directory);
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
}

static void
test_wait_gives_up_in_time(void)
{
    VmChildOptions options = {.argv = sleeper};
    VmChild *child = vm_child_start(&options, NULL);
    pid_t pid = vm_child_pid(child);
    g_assert_false(vm_child_wait(child, 50, NULL));
    vm_child_free(child);
    g_assert_true(is_gone(pid));
}

static void
test_no_such_program(void)
{
    const char *const argv[] = {"/nonexistent/program", NULL};
    VmChildOptions options = {.argv = argv};
    g_autoptr(VmChild) child = vm_child_start(&options, NULL);
    int status;
    g_assert_true(vm_child_wait(child, 10000, &status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 127);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    const struct {
        const char *name;
        int signal;
    } ends[] = {{"exit", 0}, {"abort", SIGABRT}, {"terminate", SIGTERM},
                {"interrupt", SIGINT}, {"trap", SIGTRAP}};
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *path = g_strdup_printf(
            "/vm-child/nothing-outlives-its-test/%s", ends[i].name);
        g_test_add_data_func(path, GINT_TO_POINTER(ends[i].signal),
                             test_nothing_outlives_its_test);
    }
    g_test_add_func("/vm-child/not-even-when-it-is-killed",
                    test_not_even_when_it_is_killed);
    g_test_add_func("/vm-child/output-and-status", test_output_and_status);
    g_test_add_func("/vm-child/wait-gives-up-in-time",
                    test_wait_gives_up_in_time);
    g_test_add_func("/vm-child/no-such-program", test_no_such_program);
    return g_test_run();
}
