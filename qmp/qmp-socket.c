/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Connecting to a monitor: see qmp-socket.h.
 */
#include "qmp/qmp-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define AGAIN_US 20000

/* A path that fits, for one that does not: by a descriptor of its directory.
 * QEMU made the socket from within that directory, by a short name. Not in a
 * confined helper, which has no /proc. */
static char *
make_shorter(const char *path, int *directory)
{
    g_autofree char *parent = g_path_get_dirname(path);
    const char *name = strrchr(path, '/');
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_autofree char *shorter = g_strdup_printf(
        "/proc/self/fd/%d/%s", *directory, name ? name + 1 : path);
    struct stat info;
    return *directory >= 0 && stat(shorter, &info) == 0
               ? g_steal_pointer(&shorter)
               : NULL;
}

/* DIRECTORY (-1: none) has to stay open while ADDRESS is used. */
static bool
make_address(const char *path, struct sockaddr_un *address, int *directory,
             GError **error)
{
    g_autofree char *shorter = NULL;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *directory = -1;
    if (path[0] == '\0') {
        return error_set(error, ERROR_USAGE, "the QMP socket's path is empty");
    }
    if (strlen(path) >= sizeof address->sun_path) {
        shorter = make_shorter(path, directory);
    }
    return g_strlcpy(address->sun_path, shorter ? shorter : path,
                     sizeof address->sun_path) < sizeof address->sun_path ||
           error_set(error, ERROR_USAGE,
                     "the QMP socket's path is %zu bytes long and the "
                     "kernel takes %zu: '%s'; reach it by a shorter one "
                     "(a symbolic link to its directory will do)",
                     strlen(path), sizeof address->sun_path - 1, path);
}

/* The kernel answers ECONNREFUSED for a dead socket and for what never was
 * one; the operator has to do different things about them. */
static bool
socket_refused(const char *path, GError **error)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISSOCK(info.st_mode)) {
        return error_set(error, ERROR_USAGE,
                         "'%s' is %s, not a socket: give the path of the "
                         "VM's -qmp socket",
                         path, S_ISREG(info.st_mode)   ? "a regular file"
                               : S_ISDIR(info.st_mode) ? "a directory"
                                                       : "a special file");
    }
    return error_set(error, ERROR_PEER_GONE,
                     "nobody listens on the QMP socket '%s': the QEMU that "
                     "made it has ended, or its monitor was given without "
                     "server=on",
                     path);
}

static bool
socket_explain(const char *path, int errnum, GError **error)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return error_set(error, ERROR_PEER_GONE,
                         "there is no QMP socket '%s': is the VM running, and "
                         "was QEMU started with "
                         "-qmp unix:%s,server=on,wait=off?",
                         path, path);
    case ECONNREFUSED:
        return socket_refused(path, error);
    case EACCES:
    case EPERM:
        return error_set(error, ERROR_FAILED,
                         "may not connect to the QMP socket '%s': %s; run as "
                         "root or as the user that QEMU runs as",
                         path, g_strerror(errnum));
    case EPROTOTYPE:
        return error_set(error, ERROR_USAGE,
                         "'%s' is a socket, but not a stream: give the path "
                         "of the VM's -qmp socket",
                         path);
    default:
        return error_set_errno(error, errnum, "connect to QMP socket '%s'",
                               path);
    }
}

static pid_t
listener_pid(int fd)
{
    struct ucred who = {0};
    socklen_t bytes = sizeof who;
    int rc = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
    return rc == 0 ? who.pid : 0;
}

bool
qmp_socket_connect(const char *path, uint64_t deadline_ns, int *fd, pid_t *pid,
                   GError **error)
{
    struct sockaddr_un address;
    autofd directory = -1;
    if (!make_address(path, &address, &directory, error)) {
        return false;
    }
    autofd made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
    if (made < 0) {
        return error_set_errno(error, errno, "socket(AF_UNIX)");
    }
    /* QEMU listens with a short backlog and does not accept while a client is
     * connected. A full backlog is EAGAIN here, and poll() cannot wait for
     * it: an unconnected socket is always "writable". */
    while (connect(made, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN || (deadline_ns && fd_now_ns() >= deadline_ns)) {
            return socket_explain(path, errno, error);
        }
        g_usleep(AGAIN_US);
    }
    *pid = listener_pid(made);
    *fd = fd_steal(&made);
    return true;
}
