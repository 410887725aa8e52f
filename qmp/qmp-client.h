/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QMP connection: greeting, capabilities, commands paired with replies by
 * id, events queued in order. Blocking with a time limit; owned by one thread.
 * Protocol: docs/interop/qmp-spec in the QEMU tree.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "qmp/qmp-event.h"

typedef struct QmpClient QmpClient;

/* How long a command may take before it fails with RETRY; QEMU's main loop can
 * be held up by a page fault for a while. */
#define QMP_CLIENT_DEFAULT_TIMEOUT_MS 30000

/* Connects to the UNIX socket PATH, reads the greeting, negotiates. Errors:
 * PEER_GONE with what to check if nobody listens there; USAGE if PATH cannot
 * be a socket's; FAILED if we may not connect; PROTOCOL if it is not QMP;
 * VM_GONE if it hangs up on us; RETRY on time-out (e.g. another client holds
 * the monitor). TIMEOUT_MS limits all of this together, and then each command
 * until qmp_client_set_timeout(); negative is the default. */
QmpClient *qmp_client_open(const char *path, int timeout_ms, GError **error);

/* The same in two steps, for who wants to know the peer's process before it
 * waits for a monitor that another client may hold. */
QmpClient *qmp_client_connect(const char *path, int timeout_ms,
                              GError **error);
bool qmp_client_greet(QmpClient *client, GError **error);

void qmp_client_close(QmpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpClient, qmp_client_close)

/* The limit of each following command; negative is the default. */
void qmp_client_set_timeout(QmpClient *client, int timeout_ms);

/* QEMU's version from the greeting. */
void qmp_client_version(const QmpClient *client, int *major, int *minor,
                        int *micro);

/* PID of the process that listens on the socket (SO_PEERCRED), or 0 if it is
 * in a PID namespace we do not see. It is the one that called listen(): QEMU
 * for a socket that QEMU made, the launcher for one that was handed to it. */
pid_t qmp_client_peer_pid(const QmpClient *client);

/* Runs COMMAND; ARGUMENTS (may be NULL) is taken over. Returns the "return"
 * value (owned by the caller: json_node_unref) or NULL: FAILED with QEMU's own
 * words, UNSUPPORTED if it has no such command, VM_GONE if the connection
 * ended, RETRY on time-out (QEMU may still carry the command out; its late
 * reply is dropped). Events that come meanwhile are queued. VM_GONE and
 * PROTOCOL are for good: every later call fails the same way. */
JsonNode *qmp_client_execute(QmpClient *client, const char *command,
                             JsonNode *arguments, GError **error);

/* The same with one descriptor passed along (add-fd, getfd); FD stays ours. */
JsonNode *qmp_client_execute_with_fd(QmpClient *client, const char *command,
                                     JsonNode *arguments, int fd,
                                     GError **error);

/* Reads what has arrived without waiting. False: VM_GONE or PROTOCOL. */
bool qmp_client_pump(QmpClient *client, GError **error);

/* Takes the oldest queued event, or NULL. Events stay to be taken after the
 * connection has ended; a client that lives long must take them. */
QmpEvent *qmp_client_pop_event(QmpClient *client);

/* To poll for POLLIN; call qmp_client_pump() when it is readable. */
int qmp_client_fd(const QmpClient *client);
