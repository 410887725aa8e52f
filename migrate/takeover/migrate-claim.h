/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One guest, one mover: the lock of one QEMU, whatever is done with it. Held
 * from before the first look at the guest to the end of the process, by
 * 'send', 'receive' and whoever takes over from one that was killed. It is
 *
 *   qemu-PID-START.lock   in the run-time directory, 0600, opened without
 *                         following links; "send 4711" in it says who has it
 *
 * with flock(2): the kernel lets go of it when its holder dies, at whatever
 * instruction. PID and START as in migrate-archive.h. Main thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct MigrateClaim MigrateClaim;

/* Takes it for VERB ("send", "receive", ...). STATE, and who has it, if it is
 * held; FAILED if it cannot be made. */
MigrateClaim *migrate_claim_take(pid_t qemu_pid, uint64_t qemu_started,
                                 const char *verb, GError **error);

/* Whether CLAIM's file is still there. If somebody removed it, so that a second
 * command would find QEMU free, it is made and locked anew, and *REMOVED is set.
 * STATE, and who has it, if somebody else was quicker. */
bool migrate_claim_renew(MigrateClaim *claim, bool *removed, GError **error);

/* Removes the file, unless it is another's by now, then lets go. */
void migrate_claim_drop(MigrateClaim *claim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateClaim, migrate_claim_drop)

/* Somebody holds it. Makes and changes nothing. HOLDER (may be NULL) gets who
 * ("send 4711"; owned by the caller), or NULL. */
bool migrate_claim_is_held(pid_t qemu_pid, uint64_t qemu_started,
                           char **holder);

/* Removes the files of holders that were killed. */
void migrate_claim_forget_dead(void);

/* Who holds a QEMU now, as far as it is noted. */
typedef struct {
    char verb[16];
    pid_t pid, qemu_pid;
} MigrateClaimHolder;

/* All of them: GArray of MigrateClaimHolder. */
GArray *migrate_claim_holders(void);
