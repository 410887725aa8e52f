/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process and the time of its start: see proc-life.h.
 */
#include "base/proc-life.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define FIELD_AFTER_NAME 3
#define FIELD_STARTED 22

bool
proc_life_parse(const char *text, uint64_t *started, GError **error)
{
    /* The name may hold anything, blanks and parentheses too; nothing behind
     * it does. */
    const char *at = strrchr(text, ')');
    for (unsigned field = FIELD_AFTER_NAME; at && field <= FIELD_STARTED;
         field++) {
        at = strchr(at + 1, ' ');
    }
    char *end = NULL;
    if (at && g_ascii_isdigit(at[1])) {
        errno = 0;
        *started = g_ascii_strtoull(at + 1, &end, 10);
    }
    return (end && errno == 0) ||
           error_set(error, ERROR_PROTOCOL,
                     "this is not what /proc/PID/stat looks like");
}

bool
proc_life_started(pid_t pid, uint64_t *started, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return error_set(error, ERROR_VM_GONE, "there is no process %d",
                         (int)pid);
    }
    return proc_life_parse(text, started, error);
}

/* That of a zombie is readable too: pidfd_open(2). */
bool
proc_life_has_ended(int pidfd, int wait_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}

/* Field 3 of /proc/PID/stat. */
static char
state_of(const char *text)
{
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' ? name_end[2] : '?';
}

/* The thread that takes the signal stops, and in the same moment all others are
 * marked to stop before they run another instruction of the program
 * (do_signal_stop(), kernel/signal.c). So one that is stopped and none that is
 * running is enough: what the kernel holds, in a page fault for example, stops
 * on its way out. */
static bool
stands_still(pid_t pid)
{
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)pid);
    bool stopped = false, runs = false;
    /* The first look finds the one that is stopped, the second all others. */
    for (int look = 0; look < 2 && !runs; look++) {
        g_autoptr(GDir) directory = g_dir_open(tasks, 0, NULL);
        const char *task;
        while (directory && (task = g_dir_read_name(directory))) {
            g_autofree char *path = g_build_filename(tasks, task, "stat", NULL);
            g_autofree char *text = NULL;
            if (g_file_get_contents(path, &text, NULL, NULL)) {
                stopped = stopped || state_of(text) == 'T';
                runs = runs || state_of(text) == 'R';
            }
        }
    }
    return stopped && !runs;
}

bool
proc_life_freeze(pid_t pid, int pidfd, int wait_ms, GError **error)
{
    uint64_t deadline = fd_deadline_ns(wait_ms);
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0) < 0) {
        return error_set_errno(error, errno, "stop process %d", (int)pid);
    }
    while (!stands_still(pid)) {
        if (proc_life_has_ended(pidfd, 1)) {
            return error_set(error, ERROR_VM_GONE, "process %d has ended",
                             (int)pid);
        }
        if (fd_now_ns() >= deadline) {
            return error_set(error, ERROR_FAILED,
                             "process %d was not stopped in %d ms", (int)pid,
                             wait_ms);
        }
    }
    return true;
}

void
proc_life_thaw(int pidfd)
{
    syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0);
}

bool
proc_life_is_stopped(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) &&
           state_of(text) == 'T';
}

int
proc_life_open(pid_t pid, uint64_t started, GError **error)
{
    /* Opened first: what is asked afterwards is about a process that cannot be
     * exchanged for another any more. */
    autofd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    uint64_t now = 0;
    if (pidfd < 0 || proc_life_has_ended(pidfd, 0) ||
        !proc_life_started(pid, &now, NULL) || now != started) {
        error_set(error, ERROR_VM_GONE, "process %d has ended", (int)pid);
        return -1;
    }
    return fd_steal(&pidfd);
}
