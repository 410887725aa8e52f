/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The allow-list, the names of the steps, and what a wait status means.
 */
#include "attach/attach-remote.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attach/attach-ptrace.h"
#include "base/error.h"

static void
test_allow_list(void)
{
    const uint64_t flags = O_CLOEXEC | O_NONBLOCK;
    const AttachCall good[] = {
        {SYS_userfaultfd, {flags}},
        {SYS_ioctl, {9, USERFAULTFD_IOC_NEW, flags}},
        {SYS_close, {9}},
    };
    const AttachCall bad[] = {
        {SYS_userfaultfd, {flags | 1}}, /* UFFD_USER_MODE_ONLY */
        {SYS_userfaultfd, {0}},
        {SYS_ioctl, {9, 0x5401, flags}},
        {SYS_ioctl, {9, USERFAULTFD_IOC_NEW, 0}},
        {SYS_mmap, {0}},
        {SYS_execve, {0}},
        {SYS_kill, {0}},
        {-1, {0}},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(attach_remote_is_allowed(&good[i]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        int64_t result = 17;
        g_autoptr(GError) error = NULL;
        g_assert_false(attach_remote_is_allowed(&bad[i]));
        g_assert_false(
            attach_remote_call(getpid(), &bad[i], &result, &error));
        g_assert_true(error_is(error, ERROR_USAGE));
        g_assert_cmpint(result, ==, 17);
    }
}

static void
test_steps(void)
{
    for (AttachStep step = 0; step < ATTACH_STEPS; step++) {
        g_assert_cmpstr(attach_step_name(step), !=, "unknown");
    }
    g_assert_cmpstr(attach_step_name(ATTACH_STEPS), ==, "unknown");
}

/* As wait(2) composes it. */
static int
stopped(int signal, int event)
{
    return event << 16 | signal << 8 | 0x7f;
}

static void
test_decode(void)
{
    static const struct {
        int signal, event;
        AttachStopKind kind;
    } cases[] = {
        {SIGTRAP, PTRACE_EVENT_STOP, ATTACH_STOP_TRAP},
        {SIGSTOP, PTRACE_EVENT_STOP, ATTACH_STOP_GROUP},
        {SIGTTOU, PTRACE_EVENT_STOP, ATTACH_STOP_GROUP},
        {SIGTRAP | 0x80, 0, ATTACH_STOP_CALL},
        {SIGTRAP, 0, ATTACH_STOP_SIGNAL},
        {SIGSTOP, 0, ATTACH_STOP_SIGNAL},
        {SIGUSR1, 0, ATTACH_STOP_SIGNAL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        AttachStop stop = attach_ptrace_decode(
            stopped(cases[i].signal, cases[i].event));
        g_assert_cmpint(stop.kind, ==, cases[i].kind);
        if (stop.kind != ATTACH_STOP_CALL) {
            g_assert_cmpint(stop.signal, ==, cases[i].signal);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/remote/allow-list", test_allow_list);
    g_test_add_func("/attach/remote/steps", test_steps);
    g_test_add_func("/attach/remote/decode", test_decode);
    return g_test_run();
}
