/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first stage of both roles: get to know the guest through its monitor,
 * and refuse what cannot be moved safely before anything moves.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_inspect_guest(MigrateSession *session, GError **error);
