/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that ends by itself on the destination, before all of its memory has
 * arrived: nobody needs the rest. Each side's part of it, and what both report.
 * Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Destination: QEMU has ended, and the guest had run here. How is taken from
 * what QEMU said last, and put into the journal: who takes over then tells the
 * source. Sets session->guest.ended. */
void migrate_ending_note(MigrateSession *session);

/* Destination: the same for who takes over and finds QEMU gone; how it ended is
 * as the journal says, if it does. */
void migrate_ending_note_old(MigrateSession *session);

/* Destination: ENDED's payload; the caller's. */
GByteArray *migrate_ending_payload(const MigrateSession *session);

/* Source: takes in ENDED's payload: sets session->guest.ended, and nothing is waited
 * for any more. PROTOCOL if it is none. */
bool migrate_ending_hear(MigrateSession *session, const GByteArray *payload,
                         GError **error);

/* The last step of either side: the report's outcome. False, with VM_GONE and
 * the same in words, if the guest has crashed. */
bool migrate_ending_conclude(MigrateSession *session, GError **error);
