/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reaching a monitor's UNIX socket, and saying exactly why it cannot be
 * reached.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A non-blocking connection to PATH in *FD; *PID is the process that listens,
 * or 0 if the kernel does not tell. Errors: USAGE if PATH is no path of a
 * stream socket; PEER_GONE if nobody listens; FAILED if we may not; RETRY if
 * the queue of connections is full until DEADLINE_NS. */
bool qmp_socket_connect(const char *path, uint64_t deadline_ns, int *fd,
                        pid_t *pid, GError **error);
