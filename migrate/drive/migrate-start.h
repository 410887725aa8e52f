/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting the guest at the destination, where we drive QEMU. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* When QEMU has loaded all: has it the RAM that it had, and is its guest one to
 * start? Asked while RUN is under way, because it costs no downtime then;
 * migrate_start_guest() asks if nobody has. */
bool migrate_start_look(MigrateSession *session, GError **error);

/* RUN was heard. The point of no return: until "cont" was carried out the guest
 * did not run here. A guest that is to stay paused is only committed to. */
bool migrate_start_guest(MigrateSession *session, GError **error);
