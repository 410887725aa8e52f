/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who holds the source's memory beside this process, and would know what to do
 * with it: the keeper, systemd's descriptor store, the journal. Source, main
 * thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* Starts the keeper, which nobody needs yet; takes rights that a confined
 * process does not have. Only warns. */
void migrate_holder_choose(MigrateSession *session);

/* While the guest still runs here: the journal and the keeper, for whoever has
 * to take over from this process. Only warns. */
void migrate_holder_prepare(MigrateSession *session);

/* Who takes over holds the memory as well, and may be killed, too: starts a
 * keeper, at the path KEEPER, unless the memory is kept already. Only warns. */
void migrate_holder_renew(MigrateSession *session, const char *keeper,
                          bool is_kept);

/* Nobody needs the memory any more: the keeper and systemd let it go. The
 * archive stays. */
void migrate_holder_release(MigrateSession *session);
