/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the main thread waits: for QEMU, the peer, the threads, the operator and the
 * clock at once.
 */
#pragma once

#include "migrate/session/migrate-mailbox.h"

/* Wakes the main loop when FD is readable, until its other end is closed;
 * the id is for g_source_remove(). */
guint migrate_session_watch(MigrateSession *session, int fd);

/* The session's eyes open: takes in what QEMU, the peer, the threads and the
 * operator have said. False if any of it means that the session cannot go on:
 * VM_GONE, PEER_GONE (also when the peer sent ABORT: then with its reason),
 * PROTOCOL, CANCELLED. */
bool migrate_session_take_in(MigrateSession *session, GError **error);

/* Until DONE is true of the session (asked after everything that happens) or
 * TIMEOUT_MS passes (negative: no limit; RETRY, naming WHAT was waited for). */
bool migrate_session_wait(MigrateSession *session,
                          bool (*done)(MigrateSession *), int timeout_ms,
                          const char *what, GError **error);

/* A thread or a descriptor is not to be had just now (WHY, taken over), and
 * without it nothing goes on. After the point of no return that is said, once,
 * and true comes a second later: try again. False with ERROR: give up. */
bool migrate_session_outlast(MigrateSession *session, GError **why,
                             GError **error);

/* Waits for the peer's next frame, which must be of TYPE; the payload is the
 * caller's. */
GByteArray *migrate_session_expect(MigrateSession *session, unsigned type,
                                   int timeout_ms, GError **error);
