/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptors: see fd.h.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

void
fd_clear(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
        *fd = -1;
    }
}

uint64_t
fd_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double
fd_seconds_since(uint64_t since_ns)
{
    return (double)(fd_now_ns() - since_ns) / 1e9;
}

uint64_t
fd_deadline_ns(int timeout_ms)
{
    return timeout_ms < 0 ? 0 : fd_now_ns() + (uint64_t)timeout_ms * 1000000u;
}

/* Milliseconds until DEADLINE_NS, rounded up, for poll(); -1 for never. */
static int
poll_timeout_ms(uint64_t deadline_ns)
{
    if (deadline_ns == 0) {
        return -1;
    }
    uint64_t now = fd_now_ns();
    if (now >= deadline_ns) {
        return 0;
    }
    uint64_t ms = (deadline_ns - now + 999999u) / 1000000u;
    return ms > 60000 ? 60000 : (int)ms;
}

bool
fd_wait(int fd, short events, uint64_t deadline_ns, GError **error)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, poll_timeout_ms(deadline_ns));
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "poll");
        }
        if (deadline_ns && fd_now_ns() >= deadline_ns) {
            return error_set(error, ERROR_RETRY, "timed out");
        }
    }
}

bool
fd_read_all(int fd, void *buffer, size_t bytes, uint64_t deadline_ns,
            GError **error)
{
    uint8_t *at = buffer;
    while (bytes > 0) {
        if (deadline_ns && !fd_wait(fd, POLLIN, deadline_ns, error)) {
            return false;
        }
        ssize_t n = read(fd, at, bytes);
        if (n == 0) {
            return error_set(error, ERROR_PEER_GONE,
                             "the other end closed the connection");
        }
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!fd_wait(fd, POLLIN, deadline_ns, error)) {
                return false;
            }
        } else if (errno != EINTR) {
            return error_set_errno(error, errno, "read");
        }
    }
    return true;
}

/* send() spares us SIGPIPE; what is not a socket takes write(). With a
 * deadline it must not wait: a blocking send() takes all bytes or none, and
 * "writable" only means that there is room for some. */
static ssize_t
write_some(int fd, const void *buffer, size_t bytes, bool wait)
{
    ssize_t n =
        send(fd, buffer, bytes, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    if (n < 0 && errno == ENOTSOCK) {
        n = write(fd, buffer, bytes);
    }
    return n;
}

bool
fd_write_all(int fd, const void *buffer, size_t bytes, uint64_t deadline_ns,
             GError **error)
{
    const uint8_t *at = buffer;
    while (bytes > 0) {
        if (deadline_ns && !fd_wait(fd, POLLOUT, deadline_ns, error)) {
            return false;
        }
        ssize_t n = write_some(fd, at, bytes, deadline_ns == 0);
        if (n >= 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!fd_wait(fd, POLLOUT, deadline_ns, error)) {
                return false;
            }
        } else if (errno != EINTR) {
            return error_set_errno(error, errno, "write");
        }
    }
    return true;
}

bool
fd_send_with_fd(int socket, const char *text, size_t bytes, int passed,
                GError **error)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)text, .iov_len = bytes};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(header), &passed, sizeof passed);

    ssize_t n;
    do {
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return error_set_errno(error, errno, "sendmsg with a descriptor");
    }
    /* The descriptor went with the first byte; the rest is ordinary. */
    return fd_write_all(socket, text + n, bytes - (size_t)n, 0, error);
}

int
fd_receive_fd(int socket, char *byte, uint64_t deadline_ns, GError **error)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room,
    };
    if (!fd_wait(socket, POLLIN, deadline_ns, error)) {
        return -1;
    }
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (n < 0) {
        error_set_errno(error, errno, "recvmsg");
    } else if (n == 0) {
        error_set(error, ERROR_PEER_GONE, "the other end closed the socket");
    } else if (!header || header->cmsg_type != SCM_RIGHTS) {
        error_set(error, ERROR_PROTOCOL, "no descriptor came");
    } else {
        int passed;
        memcpy(&passed, CMSG_DATA(header), sizeof passed);
        return passed;
    }
    return -1;
}

bool
fd_set_nonblocking(int fd, bool nonblocking, GError **error)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return error_set_errno(error, errno, "fcntl(F_GETFL)");
    }
    flags = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, flags) < 0) {
        return error_set_errno(error, errno, "fcntl(F_SETFL)");
    }
    return true;
}
