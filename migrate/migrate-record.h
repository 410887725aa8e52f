/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal of a session that is past the point of no return: written again
 * and again, because who is killed cannot write down any more what it measured,
 * and looked after, because others may remove it. Main thread only.
 */
#pragma once

#include "migrate/migrate-session.h"

/* From now on once a second, until migrate_session_free(). Only warns. */
void migrate_record_start(MigrateSession *session);

/* Whether QEMU is still claimed; if not, it is claimed anew, and what that could
 * not bring back is said. STATE: somebody else has it. */
bool migrate_record_look_after(MigrateSession *session, GError **error);
