/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What outlives a helper that is killed, in the run-time directory, by role and
 * QEMU's process: its number and its start (base/proc-life.h), because the
 * kernel gives numbers anew, and a source's memory may be held for long after
 * its QEMU has ended:
 *
 *   ROLE-PID-START.journal  who and what (migrate-journal.h); replaced by
 *                     renaming, so that it is always whole
 *   ROLE-PID-START.pages    receive: the page states, mapped and changed in
 *                     place
 *
 * All 0600, opened without following links. Who writes them holds QEMU's claim
 * (migrate-claim.h), so a journal whose QEMU nobody claims is that of a helper
 * that was killed. Main thread only.
 */
#pragma once

#include "migrate/takeover/migrate-journal.h"

typedef struct MigrateArchive MigrateArchive;

/* Makes no file yet. FAILED without a run-time directory. */
MigrateArchive *migrate_archive_open(MigrateRole role, pid_t qemu_pid,
                                     uint64_t qemu_started, GError **error);

/* Keeps the files; for who dies in an orderly way. */
void migrate_archive_close(MigrateArchive *archive);

/* Removes the files: nobody has to take over any more. */
void migrate_archive_remove(MigrateArchive *archive);

/* The memory for the page states (owned by the caller): new and zero, or that
 * of the one who died. -1 with ERROR. */
int migrate_archive_new_pages(MigrateArchive *archive, GError **error);
int migrate_archive_old_pages(MigrateArchive *archive, GError **error);

/* Replaces the journal. Not if somebody removed the page
 * states, without which it is of no use. */
bool migrate_archive_write(MigrateArchive *archive,
                           const MigrateJournal *journal, GError **error);

/* The journal of ROLE for this QEMU, by whomever. False without ERROR: there
 * is none; with ERROR: there is one that cannot be read. */
bool migrate_archive_read(MigrateRole role, pid_t qemu_pid,
                          uint64_t qemu_started, MigrateJournal *journal,
                          GError **error);

/* The path of the keeper's socket (migrate-keeper.h); owned by the caller. */
char *migrate_archive_keeper_path(pid_t qemu_pid, uint64_t qemu_started);

/* The one journal that fits OPTIONS (role; qmp_path and pid, if given),
 * whoever is at work on it; if they give neither, the one of that role that
 * nobody works on. STATE: there is none, or more than one; then all there are,
 * and how to name each. Those of a destination whose QEMU has ended before
 * the guest ran there, and that nobody works on, are removed. */
bool migrate_archive_find(const MigrateOptions *options,
                          MigrateJournal *journal, GError **error);

/* All journals that no helper works on: GPtrArray of MigrateJournal. */
GPtrArray *migrate_archive_orphans(void);

/* Removes what helpers that were killed at the very end left without a journal:
 * nobody could take over with it. */
void migrate_archive_forget_dead(void);
