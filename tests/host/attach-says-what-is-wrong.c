/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process that cannot be attached to is left alone, and the error says why
 * and what to do.
 */
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "tests/support/victim-run.h"

static void
expect(pid_t pid, ErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;
    int remote = -1;
    g_assert_false(attach_check(pid, &error));
    g_test_message("%s: %s", error_code_name((ErrorCode)error->code),
                   error->message);
    g_assert_true(error_is(error, code));
    g_assert_nonnull(strstr(error->message, words));
    g_assert_cmpint(attach_create_userfaultfd(pid, &remote, &again), ==, -1);
    g_assert_true(error_is(again, code));
    g_assert_cmpint(remote, ==, -1);
}

static void
test_no_process(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT);
    expect(child, ERROR_VM_GONE, "has ended"); /* still a zombie */
    waitpid(child, NULL, 0);
    expect(child, ERROR_VM_GONE, "no such process");
    expect(0, ERROR_VM_GONE, "no such process");
    expect(-1, ERROR_VM_GONE, "no such process");
}

static void
test_kernel_thread(void)
{
    g_autofree char *name = NULL;
    if (!g_file_get_contents("/proc/2/comm", &name, NULL, NULL) ||
        strcmp(name, "kthreadd\n") != 0) {
        victim_run_skip("no kernel thread in sight (a container?)");
        return;
    }
    expect(2, ERROR_UNSUPPORTED, "kernel thread");
}

static void
test_thread(void)
{
    VictimRun run;
    victim_run_start(&run, "ppoll");
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)run.pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int tid = run.pid;
    while (tid == run.pid) {
        tid = atoi(g_dir_read_name(dir));
    }
    expect(tid, ERROR_USAGE, "is a thread of process");
    victim_run_stop(&run);
}

static void
test_stopped(void)
{
    VictimRun run;
    victim_run_start(&run, "ppoll");
    kill(run.pid, SIGSTOP);
    siginfo_t info;
    waitid(P_PID, (id_t)run.pid, &info, WSTOPPED);
    expect(run.pid, ERROR_STATE, "kill -CONT");
    kill(run.pid, SIGCONT);
    victim_run_prove(&run);
    victim_run_stop(&run);
}

/* Another process traces it until PIPE closes. */
static pid_t
fork_tracer(pid_t target)
{
    int ready[2];
    char byte = 0;
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t tracer = fork();
    if (tracer == 0) {
        byte = syscall(SYS_ptrace, PTRACE_SEIZE, target, 0, 0) == 0;
        (void)!write(ready[1], &byte, 1);
        pause();
        _exit(0);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_true(byte);
    close(ready[0]);
    close(ready[1]);
    return tracer;
}

static void
test_traced(void)
{
    VictimRun run;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, "ppoll");
    pid_t tracer = fork_tracer(run.pid);
    g_autofree char *words =
        g_strdup_printf("process %d traces it", (int)tracer);
    expect(run.pid, ERROR_STATE, words);
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    victim_run_prove(&run);
    victim_run_stop(&run);
}

static void
test_wrong_descriptors(void)
{
    VictimRun run;
    g_autoptr(GError) error = NULL;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, "ppoll");
    g_assert_false(attach_close_userfaultfd(run.pid, 0, &error));
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, "nothing was closed"));
    g_clear_error(&error);
    g_assert_false(attach_close_userfaultfd(run.pid, 999, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_clear_error(&error);
    g_assert_cmpint(attach_copy_fd(run.pid, 999, &error), ==, -1);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, "descriptor 999 of process"));
    victim_run_prove(&run);
    victim_run_stop(&run);
}

/* Without privilege, by the kernel's ordinary rules. */
static void
test_not_allowed(void)
{
    VictimRun run;
    if (!victim_run_is_possible()) {
        return;
    }
    victim_run_start(&run, "ppoll");
    pid_t child = fork();
    if (child == 0) {
        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) {
            _exit(2);
        }
        expect(run.pid, ERROR_UNSUPPORTED, "CAP_SYS_PTRACE");
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    g_assert_cmpint(status, ==, 0);
    victim_run_stop(&run);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/attach/no-process", test_no_process);
    g_test_add_func("/host/attach/kernel-thread", test_kernel_thread);
    g_test_add_func("/host/attach/a-thread", test_thread);
    g_test_add_func("/host/attach/stopped", test_stopped);
    g_test_add_func("/host/attach/traced", test_traced);
    g_test_add_func("/host/attach/wrong-descriptors", test_wrong_descriptors);
    g_test_add_func("/host/attach/not-allowed", test_not_allowed);
    return g_test_run();
}
