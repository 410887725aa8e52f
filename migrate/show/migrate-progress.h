/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a person sees while it runs: a bar on a terminal (phase, what is being
 * done, bytes, time left, rate, faults, coverage: what fits into its width),
 * otherwise one log line a second at most; nothing with --quiet.
 */
#pragma once

#include "migrate/session/migrate-session.h"

typedef struct MigrateProgress MigrateProgress;

/* Shows SESSION, from the main loop, until it is freed. One at a time. */
MigrateProgress *migrate_progress_new(const MigrateSession *session);
void migrate_progress_free(MigrateProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateProgress, migrate_progress_free)

/* Takes the bar off the terminal; it comes back at the next tick. */
void migrate_progress_hide(void);
