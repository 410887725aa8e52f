/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The attendant: a process that stays outside when 'receive' confines itself,
 * and does the few things about QEMU that take a right the confined one gave
 * up. It hears numbers from its parent and nothing from anybody else, can name
 * no other process and no other descriptor than those it was started for, and
 * ends with its parent.
 */
#pragma once

#include <sys/types.h>

#include "collapse/collapse-account.h"
#include "collapse/collapse-outcome.h"

typedef struct MigrateAttendant MigrateAttendant;

/* One for QEMU, process PID, in which UFFD (-1: none) is our userfaultfd.
 * Returns when it is ready. Main thread only, as all below. */
MigrateAttendant *migrate_attendant_start(pid_t pid, int uffd, GError **error);

/* Waits until it has ended. NULL is none. */
void migrate_attendant_stop(MigrateAttendant *attendant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateAttendant, migrate_attendant_stop)

/* collapse_account_range() */
bool migrate_attendant_coverage(MigrateAttendant *attendant, uint64_t hva,
                                uint64_t bytes, CollapseCoverage *coverage,
                                GError **error);

/* What the ERRNUM of a collapse at HVA means (CollapseSeam). */
CollapseOutcome migrate_attendant_classify(MigrateAttendant *attendant,
                                           uint64_t hva, int errnum);

/* attach_close_userfaultfd() */
bool migrate_attendant_close(MigrateAttendant *attendant, GError **error);

/* proc_life_freeze() and proc_life_thaw(). */
bool migrate_attendant_freeze_qemu(MigrateAttendant *attendant, GError **error);
bool migrate_attendant_thaw_qemu(MigrateAttendant *attendant, GError **error);

/* Ends QEMU. */
bool migrate_attendant_end_qemu(MigrateAttendant *attendant, GError **error);

/* The process itself; the socket is descriptor 3. Returns the exit status. */
int migrate_attendant_run(pid_t pid, int uffd);
