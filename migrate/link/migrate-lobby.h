/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the source meets its destination: listens, lets in who speaks our
 * protocol and shows this migration's session, turns away everybody else with
 * a reason, and goes on waiting.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Listens for a migration whose session exists already. */
bool migrate_lobby_listen(MigrateSession *session, GError **error);

/* Listens, and draws the session. */
bool migrate_lobby_open(MigrateSession *session, GError **error);

/* Confines this process (unless the options say no), and only then lets the
 * first byte of a stranger in. What takes more rights has been done. */
bool migrate_lobby_open_door(MigrateSession *session, GError **error);

/* Until a destination's control connection is there. */
bool migrate_lobby_wait_control(MigrateSession *session, GError **error);

/* Somebody waits at the door. */
bool migrate_lobby_has_caller(MigrateSession *session);

/* Lets one caller in, or turns it away with a word. After the point of no
 * return a control connection that shows our session ends the set of
 * connections that was there (see migrate-outage.h). */
void migrate_lobby_admit(MigrateSession *session);

/* Until the device, the urgent and all bulk connections are there (after the
 * point of no return the device is not needed). RETRY: a new control connection
 * came meanwhile, which makes all others void. */
bool migrate_lobby_wait_others(MigrateSession *session, GError **error);
