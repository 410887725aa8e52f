/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source after the point of no return: whatever breaks, it stays, and lets
 * its destination in again. The destination says which pages it has; all the
 * others are sent (again). Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Marks the first set of connections as the one at work. */
void migrate_readmit_begin(MigrateSession *session);

/* Takes the oldest frame nobody took: true if it is of TYPE. ENDED, instead,
 * makes that nothing is waited for any more (session->guest.ended). Nonsense ends the
 * set of connections, and nothing else. */
bool migrate_readmit_heard(MigrateSession *session, unsigned type);

/* What a destination says first that has come back: RECONNECT, whose FLAGS
 * these are, or ENDED, which counts as COMPLETE. */
bool migrate_readmit_hear_return(MigrateSession *session, int timeout_ms,
                                 unsigned *flags, GError **error);

/* Waits until DONE is true of the session, for ever; meanwhile connections
 * that break are taken down, silent ones too (--link-timeout), and the
 * destination is let in again. False only when the destination said ABORT
 * before RUNNING. That our QEMU ends is said once and changes nothing: its
 * memory is held here. */
bool migrate_readmit_wait(MigrateSession *session,
                          bool (*done)(MigrateSession *), const char *what,
                          GError **error);
