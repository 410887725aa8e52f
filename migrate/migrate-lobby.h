/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the source meets its destination: listens, lets in who speaks our
 * protocol and shows this migration's session, turns away everybody else with
 * a reason, and goes on waiting.
 */
#pragma once

#include "migrate/migrate-session.h"

/* Refuses addresses other hosts can reach unless --insecure was given. */
bool migrate_lobby_check_address(const WireAddress *address, bool insecure,
                                 GError **error);

bool migrate_lobby_open(MigrateSession *session, GError **error);

/* Until a destination's control connection is there. */
bool migrate_lobby_wait_control(MigrateSession *session, GError **error);

/* Until the device, the urgent and all bulk connections are there; then
 * nobody else is let in. */
bool migrate_lobby_wait_others(MigrateSession *session, GError **error);
