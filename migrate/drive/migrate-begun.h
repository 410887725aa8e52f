/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who takes over from a sender that drove QEMU and died before RUN has to know
 * whether what QEMU migrates, or migrated last, is what that one had begun: only
 * that may be cancelled, and only its guest be started again. Main thread.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Opens the monitor and says so in SESSION's source.begun. False: QEMU did not
 * tell, and nothing is known. */
bool migrate_begun_ask(MigrateSession *session, GError **error);
