/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process and the time of its start: see proc-life.h.
 */
#include "base/proc-life.h"

#include <errno.h>
#include <poll.h>
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
