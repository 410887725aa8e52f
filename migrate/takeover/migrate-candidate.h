/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which of the interrupted migrations is meant: what a command line says of it,
 * and how it is told to a person. No state; any thread.
 */
#pragma once

#include "migrate/takeover/migrate-journal.h"

/* JOURNAL is of the role that OPTIONS name, of their monitor and of their QEMU,
 * as far as they name them. Two paths are the same monitor if they lead to the
 * same place: over links, "//" and "..". */
bool migrate_candidate_fits(const MigrateJournal *journal,
                            const MigrateOptions *options);

/* All of JOURNALS (of MigrateJournal), each with guest, QEMU, monitor, session,
 * and the command that means it: --give-up if OPTIONS ask for it, else
 * --resume. Owned by the caller. */
char *migrate_candidate_list(const GPtrArray *journals,
                             const MigrateOptions *options);
