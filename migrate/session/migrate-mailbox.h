/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the peer says on the control connection and what is said to it. Frames that
 * nobody expects yet are kept in order. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Takes in what the peer has said, not all of it at a time. PEER_GONE (also when it
 * sent ABORT: then with its reason), PROTOCOL. */
bool migrate_mailbox_take_in(MigrateSession *session, GError **error);

bool migrate_session_has_frame(MigrateSession *session);

/* The oldest frame that nobody took, or false. */
bool migrate_session_pop_frame(MigrateSession *session, MigrateFrame *frame);

/* Sends a frame; PAYLOAD (may be NULL) is borrowed. */
bool migrate_session_tell(MigrateSession *session, unsigned type,
                          const GByteArray *payload, GError **error);

/* Tells the peer why we stop, if there is one; never fails. */
void migrate_session_tell_abort(MigrateSession *session, const char *reason);
