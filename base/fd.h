/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptors: closed by scope, read and written to the last byte or to a
 * deadline, passed over a UNIX socket. Every function may be called on any
 * thread; none keeps state.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Declares an int that closes itself at the end of its scope; -1 is empty. */
#define autofd __attribute__((cleanup(fd_clear))) int

/* Closes *FD if it is open and sets it to -1. errno is kept. */
void fd_clear(int *fd);

/* Empties *FD and returns what it held: the caller owns it now. */
static inline int
fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Monotonic clock in nanoseconds. */
uint64_t fd_now_ns(void);

/* A deadline TIMEOUT_MS from now on the monotonic clock in ns; negative
 * means "never" and yields 0, which every function here takes as no deadline. */
uint64_t fd_deadline_ns(int timeout_ms);

/* Seconds from SINCE_NS to now, for messages: what passed, not what was to. */
double fd_seconds_since(uint64_t since_ns);

/* Waits until FD has EVENTS (poll bits) or DEADLINE_NS passes (error RETRY
 * with ETIMEDOUT's text). POLLHUP and POLLERR count as ready. */
bool fd_wait(int fd, short events, uint64_t deadline_ns, GError **error);

/* Reads exactly BYTES. End of file before that is PEER_GONE. Works on
 * blocking and non-blocking descriptors. */
bool fd_read_all(int fd, void *buffer, size_t bytes, uint64_t deadline_ns,
                 GError **error);

/* Writes exactly BYTES; never raises SIGPIPE on a socket. */
bool fd_write_all(int fd, const void *buffer, size_t bytes,
                  uint64_t deadline_ns, GError **error);

/* Sends TEXT (at least one byte) with the descriptor PASSED as SCM_RIGHTS. */
bool fd_send_with_fd(int socket, const char *text, size_t bytes, int passed,
                     GError **error);

/* Receives one byte and the descriptor passed with it (close-on-exec, the
 * caller's), or -1: PEER_GONE at the end of the stream, PROTOCOL if the byte
 * came alone, RETRY after DEADLINE_NS. */
int fd_receive_fd(int socket, char *byte, uint64_t deadline_ns, GError **error);

bool fd_set_nonblocking(int fd, bool nonblocking, GError **error);
