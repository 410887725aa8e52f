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
 *   ROLE-PID-START.lock     locked as long as a helper is at work: the kernel
 *                     lets go of it when that helper dies, at whatever
 *                     instruction
 *
 * All 0600, opened without following links. Main thread only.
 */
#pragma once

#include "migrate/migrate-journal.h"

typedef struct MigrateArchive MigrateArchive;

/* Takes the lock. STATE: a helper of this role is at work on this QEMU. */
MigrateArchive *migrate_archive_open(MigrateRole role, pid_t qemu_pid,
                                     uint64_t qemu_started, GError **error);

/* A helper of this role is at work on this QEMU. Makes and changes nothing. */
bool migrate_archive_is_locked(MigrateRole role, pid_t qemu_pid);

/* Lets go of the lock and keeps the files; for who dies in an orderly way. */
void migrate_archive_close(MigrateArchive *archive);

/* Removes the files, then lets go: nobody has to take over any more. */
void migrate_archive_remove(MigrateArchive *archive);

/* The memory for the page states (owned by the caller): new and zero, or that
 * of the one who died. -1 with ERROR. */
int migrate_archive_new_pages(MigrateArchive *archive, GError **error);
int migrate_archive_old_pages(MigrateArchive *archive, GError **error);

/* Writes SESSION's journal as it stands now. */
bool migrate_archive_write(MigrateArchive *archive,
                           const MigrateSession *session, GError **error);

/* The path of the keeper's socket (migrate-keeper.h); owned by the caller. */
char *migrate_archive_keeper_path(pid_t qemu_pid, uint64_t qemu_started);

/* The one journal of ROLE with this QMP_PATH, whoever is at work on it; or, if
 * that is NULL, the one that nobody works on. STATE: there is none, or more
 * than one. Those of a destination whose QEMU has ended, and that nobody works
 * on, are removed. */
bool migrate_archive_find(MigrateRole role, const char *qmp_path,
                          MigrateJournal *journal, GError **error);

/* All journals that no helper works on: GPtrArray of MigrateJournal. */
GPtrArray *migrate_archive_orphans(void);

/* Removes what helpers that were killed at the very end left without a journal:
 * nobody could take over with it. */
void migrate_archive_forget_dead(void);
