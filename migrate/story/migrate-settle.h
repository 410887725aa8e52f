/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last stage of the destination: every page is PRESENT. Let the source
 * go, take our hands off QEMU, make huge what is not yet, and count.
 */
#pragma once

#include "migrate/session/migrate-session.h"

bool migrate_settle_destination(MigrateSession *session, GError **error);
