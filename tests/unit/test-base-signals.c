/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A signal is heard by all who watch it and by nobody after the last has gone;
 * a write over the limit of a file's size is an error; a process that was given
 * no standard streams never has a socket in their place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/signals.h"

static gboolean
count(gpointer data)
{
    ++*(unsigned *)data;
    return G_SOURCE_CONTINUE;
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

/* And without a thread of GLib's, which may not be to be had. */
static void
test_heard(void)
{
    unsigned first = 0, second = 0;
    guint one = signals_watch(SIGUSR1, count, &first);
    guint two = signals_watch(SIGUSR1, count, &second);
    raise(SIGUSR1);
    raise(SIGUSR1);
    turn();
    g_assert_cmpuint(first, ==, 1);
    g_assert_cmpuint(second, ==, 1);
    g_source_remove(one);
    raise(SIGUSR1);
    turn();
    g_assert_cmpuint(first, ==, 1);
    g_assert_cmpuint(second, ==, 2);
    g_source_remove(two);
    struct sigaction now;
    g_assert_no_errno(sigaction(SIGUSR1, NULL, &now));
    g_assert_true(now.sa_handler == SIG_IGN);
    raise(SIGUSR1);
    guint third = signals_watch(SIGHUP, count, &first);
    g_source_remove(third);
    g_assert_no_errno(sigaction(SIGHUP, NULL, &now));
    g_assert_true(now.sa_handler == SIG_DFL);
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    g_assert_nonnull(g_dir_read_name(tasks));
    g_assert_null(g_dir_read_name(tasks));
}

/* Ends with what CHILD returned. */
static int
in_child(int (*child)(void))
{
    int status;
    pid_t pid = fork();
    g_assert_no_errno(pid);
    if (pid == 0) {
        _exit(child());
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
write_too_much(void)
{
    const struct rlimit limit = {16, 16};
    char bytes[64] = {0};
    autofd fd = memfd_create("limited", MFD_CLOEXEC);
    signals_prepare();
    setrlimit(RLIMIT_FSIZE, &limit);
    return write(fd, bytes, sizeof bytes) == 16 &&
                   write(fd, bytes, sizeof bytes) < 0 && errno == EFBIG
               ? 0
               : 1;
}

static int
open_a_socket(void)
{
    for (int fd = 0; fd < 3; fd++) {
        close(fd);
    }
    return signals_prepare() && socket(AF_UNIX, SOCK_STREAM, 0) > 2 ? 0 : 1;
}

static int
restore(void)
{
    struct sigaction pipe, size;
    signals_prepare();
    signals_restore(NULL);
    sigaction(SIGPIPE, NULL, &pipe);
    sigaction(SIGXFSZ, NULL, &size);
    return pipe.sa_handler == SIG_DFL && size.sa_handler == SIG_DFL ? 0 : 1;
}

static void
test_prepared(void)
{
    g_assert_cmpint(in_child(write_too_much), ==, 0);
    g_assert_cmpint(in_child(open_a_socket), ==, 0);
    g_assert_cmpint(in_child(restore), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/signals/heard", test_heard);
    g_test_add_func("/signals/prepared", test_prepared);
    return g_test_run();
}
