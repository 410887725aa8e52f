/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A userfaultfd that belongs to another process: see attach.h, and
 * docs/attach.md for what that process notices of it.
 */
#include "attach/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/attach-remote.h"
#include "attach/attach-target.h"
#include "base/error.h"
#include "base/fd.h"

/* A guest's memory is freed by the last of QEMU's threads, and that takes its
 * time: what looks wrong meanwhile is only told this much later. */
#define DEATH_MS 5000
#define MISC_MAJOR 10u /* uapi/linux/major.h */
#define NEW_FLAGS ((uint64_t)(O_CLOEXEC | O_NONBLOCK))

bool
attach_check(pid_t pid, GError **error)
{
    return attach_target_check(pid, error);
}

static char *
fd_link(pid_t pid, int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)pid, fd);
    return g_file_read_link(path, NULL);
}

static bool
is_userfaultfd(pid_t pid, int fd)
{
    g_autofree char *link = fd_link(pid, fd);
    return g_strcmp0(link, "anon_inode:[userfaultfd]") == 0;
}

static int
copy_fd(int pidfd, pid_t pid, int remote_fd, GError **error)
{
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, remote_fd, 0);
    if (fd < 0) {
        int errnum = errno;
        error_set_errno(error, errnum,
                        "cannot copy descriptor %d of process %d%s", remote_fd,
                        (int)pid,
                        errnum == ENOSYS ? " (Linux 5.6 is needed)" : "");
    }
    return fd;
}

static int
open_pidfd(pid_t pid, GError **error)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot hold on to process %d",
                        (int)pid);
    }
    return fd;
}

int
attach_copy_fd(pid_t pid, int remote_fd, GError **error)
{
    autofd pidfd = open_pidfd(pid, error);
    return pidfd < 0 ? -1 : copy_fd(pidfd, pid, remote_fd, error);
}

static void
explain_refusal(pid_t pid, int errnum, GError **error)
{
    switch (errnum) {
    case EPERM:
        error_set(error, ERROR_UNSUPPORTED,
                  "process %d may not create a userfaultfd that sees the "
                  "kernel's faults: give it an open /dev/userfaultfd through "
                  "its monitor (QMP add-fd), or run it with CAP_SYS_PTRACE, "
                  "or set the sysctl vm.unprivileged_userfaultfd=1",
                  (int)pid);
        break;
    case ENOSYS:
        error_set(error, ERROR_UNSUPPORTED,
                  "process %d cannot create a userfaultfd: this kernel has "
                  "none (CONFIG_USERFAULTFD)",
                  (int)pid);
        break;
    case EMFILE:
        error_set(error, ERROR_FAILED,
                  "process %d cannot create a userfaultfd: it has too many "
                  "open files; raise its limit (prlimit --nofile --pid %d)",
                  (int)pid, (int)pid);
        break;
    default:
        error_set_errno(error, errnum,
                        "process %d could not create a userfaultfd", (int)pid);
    }
}

/* A process that is being killed loses its descriptors before it counts as
 * ended; so what looks wrong may only be its death. */
static bool
has_ended(int pidfd)
{
    return fd_wait(pidfd, POLLIN, fd_deadline_ns(DEATH_MS), NULL);
}

static bool
say_ended(pid_t pid, GError **error)
{
    return error_set(error, ERROR_VM_GONE,
                     "process %d ended while its userfaultfd was created",
                     (int)pid);
}

/* Undo of a descriptor that is of no use to us: as good as it gets. */
static void
close_useless(pid_t pid, int remote_fd)
{
    g_autoptr(GError) error = NULL;
    if (!attach_close_userfaultfd(pid, remote_fd, &error) &&
        !error_is(error, ERROR_VM_GONE)) {
        g_warning("an unused userfaultfd stays open in process %d: %s",
                  (int)pid, error->message);
    }
}

/* A seccomp filter can answer in the kernel's place, with any number. */
static bool
check_answer(int pidfd, pid_t pid, int64_t answer, GError **error)
{
    if (answer <= G_MAXINT && is_userfaultfd(pid, (int)answer)) {
        return true;
    }
    if (has_ended(pidfd)) {
        return say_ended(pid, error);
    }
    return error_set(error, ERROR_UNSUPPORTED,
                     "process %d answered %" G_GINT64_FORMAT " when asked for "
                     "a userfaultfd, and that is none: a seccomp filter?",
                     (int)pid, answer);
}

static int
attach_create(pid_t pid, const AttachCall *call, int *remote_fd, GError **error)
{
    int64_t result;
    /* Taken first: the number may belong to another process by the end. */
    autofd pidfd = open_pidfd(pid, error);
    if (pidfd < 0 || !attach_remote_call(pid, call, &result, error)) {
        return -1;
    }
    if (result < 0) {
        explain_refusal(pid, (int)-result, error);
        return -1;
    }
    if (!check_answer(pidfd, pid, result, error)) {
        return -1;
    }
    g_autoptr(GError) why = NULL;
    int fd = copy_fd(pidfd, pid, (int)result, &why);
    if (fd < 0 && has_ended(pidfd)) {
        say_ended(pid, error);
        return -1;
    }
    if (fd < 0) {
        close_useless(pid, (int)result);
        g_propagate_error(error, g_steal_pointer(&why));
        return -1;
    }
    *remote_fd = (int)result;
    return fd;
}

int
attach_create_userfaultfd(pid_t pid, int *remote_fd, GError **error)
{
    const AttachCall call = {SYS_userfaultfd, {NEW_FLAGS}};
    if (!attach_check(pid, error)) {
        return -1;
    }
    return attach_create(pid, &call, remote_fd, error);
}

static bool
check_device(pid_t pid, int device_fd, GError **error)
{
    struct stat st;
    g_autofree char *path =
        g_strdup_printf("/proc/%d/fd/%d", (int)pid, device_fd);
    g_autofree char *link = fd_link(pid, device_fd);
    /* The name may differ in a container, the driver may not. */
    if (!link || stat(path, &st) < 0 || !S_ISCHR(st.st_mode) ||
        major(st.st_rdev) != MISC_MAJOR || !strstr(link, "userfaultfd")) {
        return error_set(error, ERROR_STATE,
                         "descriptor %d of process %d is %s, not an open "
                         "/dev/userfaultfd; pass one with QMP add-fd",
                         device_fd, (int)pid, link ? link : "not open");
    }
    return true;
}

int
attach_create_userfaultfd_from_device(pid_t pid, int device_fd, int *remote_fd,
                                      GError **error)
{
    const AttachCall call = {
        SYS_ioctl, {(uint64_t)device_fd, USERFAULTFD_IOC_NEW, NEW_FLAGS}};
    if (!attach_check(pid, error) || !check_device(pid, device_fd, error)) {
        return -1;
    }
    return attach_create(pid, &call, remote_fd, error);
}

bool
attach_close_userfaultfd(pid_t pid, int remote_fd, GError **error)
{
    const AttachCall call = {SYS_close, {(uint64_t)remote_fd}};
    int64_t result;
    if (!attach_check(pid, error)) {
        return false;
    }
    /* Nobody in there knows this number, so nobody closes or reuses it between
     * this look and the call. */
    if (!is_userfaultfd(pid, remote_fd)) {
        g_autofree char *link = fd_link(pid, remote_fd);
        return error_set(error, ERROR_STATE,
                         "descriptor %d of process %d is %s, not a "
                         "userfaultfd; nothing was closed",
                         remote_fd, (int)pid, link ? link : "not open");
    }
    if (!attach_remote_call(pid, &call, &result, error)) {
        return false;
    }
    return result == 0 ||
           error_set_errno(error, (int)-result,
                           "process %d could not close descriptor %d",
                           (int)pid, remote_fd);
}

GArray *
attach_list_userfaultfds(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GError) io = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &io);
    if (!dir) {
        bool gone = g_error_matches(io, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        error_set(error, gone ? ERROR_VM_GONE : ERROR_FAILED,
                  "cannot list the descriptors of process %d: %s", (int)pid,
                  gone ? "no such process" : io->message);
        return NULL;
    }
    GArray *found = g_array_new(false, false, sizeof(int));
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        int fd = (int)strtol(name, NULL, 10);
        if (is_userfaultfd(pid, fd)) {
            g_array_append_val(found, fd);
        }
    }
    return found;
}
