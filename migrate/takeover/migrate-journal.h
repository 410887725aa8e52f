/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a helper that takes over must know of the one that died: whose memory,
 * where it is mapped, who the peer is, whether the point of no return was
 * passed; and what it had measured, for the report. Text and back, pure; the
 * pages' states are not in it (they live in a file of their own, see
 * migrate-archive.h).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "migrate/core/migrate-options.h"
#include "migrate/ram/migrate-ram.h"
#include "migrate/takeover/migrate-account.h"
#include "wire/wire-proto.h"

typedef struct {
    MigrateOptions options; /* its strings are owned */
    bool committed;         /* past the point of no return */
    bool starting;          /* receive: "cont" is out, or about to be */
    bool ran;               /* receive: the guest ran here */
    WireEndedCode ended;    /* receive: QEMU has; 0: not that we know */
    bool refused;           /* send: the destination does not run it */
    bool begun;             /* send: "migrate" is out, or about to be */
    bool guest_ran;         /* send; at receive: RUN said start */
    pid_t qemu_pid;
    uint64_t qemu_started; /* see base/proc-life.h */
    int remote_uffd;       /* receive: its number in QEMU */
    gint64 stopped_us;     /* send: when the guest stopped, 0: not known */
    char *vm_name, *vm_uuid;
    uint8_t session[WIRE_SESSION_BYTES];
    unsigned n_streams;
    MigrateAccount account;
    unsigned n_blocks;
    MigrateBlock *blocks; /* name, bytes, hva, file_offset, inode, aligned */
} MigrateJournal;

void migrate_journal_clear(MigrateJournal *journal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateJournal, migrate_journal_clear)

/* The text; owned by the caller. */
char *migrate_journal_to_text(const MigrateJournal *journal);

/* PROTOCOL for whatever to_text() did not write: a number out of range, a
 * missing key, text that ends early. */
bool migrate_journal_from_text(const char *text, MigrateJournal *journal,
                               GError **error);
