/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeping the record up to date: see migrate-record.h.
 */
#include "migrate/session/migrate-record.h"

#include <string.h>

#include "migrate/session/migrate-measure.h"

#define EVERY_MS 1000

void
migrate_record_of(const MigrateSession *session, MigrateJournal *journal)
{
    bool send = session->options.role == MIGRATE_SEND;
    *journal = (MigrateJournal){
        .options = session->options,
        .committed = session->past_no_return,
        .starting = session->destination.starting,
        .ran = session->destination.ran,
        .ended = session->guest.ended,
        .refused = session->peer.refused,
        .begun = session->source.begun,
        .guest_ran =
            send ? session->guest.ran : session->destination.start_guest,
        .qemu_pid = session->guest.pid,
        .qemu_started = session->guest.started,
        .remote_uffd = session->destination.remote_uffd,
        .stopped_us = session->guest.stopped_us,
        .vm_name = session->guest.identity.name,
        .vm_uuid = session->guest.identity.uuid,
        .n_streams = session->peer.n_streams,
        .n_blocks = session->guest.ram->n_blocks,
        .blocks = session->guest.ram->blocks,
    };
    if (session->peer.address) {
        journal->options.known =
            (char *)wire_address_known(session->peer.address);
    }
    memcpy(journal->session, session->peer.id, WIRE_SESSION_BYTES);
    migrate_measure_take(session, &journal->account);
}

static MigrateRam *
take_ram(MigrateJournal *journal)
{
    MigrateRam *ram = g_new0(MigrateRam, 1);
    ram->n_blocks = journal->n_blocks;
    ram->blocks = g_steal_pointer(&journal->blocks);
    journal->n_blocks = 0;
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        ram->bytes += ram->blocks[i].bytes;
        ram->pages += ram->blocks[i].pages;
        ram->extents += ram->blocks[i].extents;
    }
    return ram;
}

void
migrate_record_give(MigrateJournal *journal, MigrateSession *session)
{
    session->past_no_return = journal->committed;
    session->destination.starting = journal->starting;
    session->peer.refused = journal->refused;
    session->source.begun = journal->begun;
    session->guest.ran = journal->guest_ran;
    session->destination.ran = journal->ran;
    session->guest.ended = journal->ended;
    session->destination.start_guest = journal->guest_ran;
    session->guest.pid = journal->qemu_pid;
    session->guest.started = journal->qemu_started;
    session->destination.remote_uffd = journal->remote_uffd;
    session->guest.stopped_us = journal->stopped_us;
    session->guest.identity.name = g_steal_pointer(&journal->vm_name);
    session->guest.identity.uuid = g_steal_pointer(&journal->vm_uuid);
    memcpy(session->peer.id, journal->session, WIRE_SESSION_BYTES);
    session->peer.n_streams = journal->n_streams;
    session->guest.ram = take_ram(journal);
    migrate_measure_give(&journal->account, session);
    migrate_journal_clear(journal);
}

/* Somebody emptied the run-time directory. What holds the guest's memory is not
 * in there; what a successor would need is, and part of it can be made anew. */
static bool
look_after(MigrateSession *session, GError **error)
{
    bool removed = false;
    if (!session->guest.claim ||
        migrate_claim_renew(session->guest.claim, &removed, error)) {
        if (removed) {
            g_warning("files in use were removed from the run-time "
                      "directory; they are written again as far as that is "
                      "possible, but 'postlude status' does not show this "
                      "process any more, and %s",
                      session->options.role == MIGRATE_SEND
                          ? "QEMU must not be ended: the keeper of its memory "
                            "cannot be reached"
                          : "crash recovery is off");
        }
        return true;
    }
    return false;
}

bool
migrate_record_write(MigrateSession *session, GError **error)
{
    MigrateJournal journal;
    if (!session->archive) {
        return true;
    }
    if (!look_after(session, error)) {
        return false;
    }
    migrate_record_of(session, &journal);
    return migrate_archive_write(session->archive, &journal, error);
}

void
migrate_record_or_warn(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!migrate_record_write(session, &why)) {
        g_warning("crash recovery is off: %s", why->message);
    }
}

/* What has been measured changes all the time, and whoever is killed cannot
 * write it down any more. */
static gboolean
on_record(gpointer data)
{
    MigrateSession *session = data;
    g_autoptr(GError) why = NULL;
    if (!session->past_no_return) {
        return G_SOURCE_CONTINUE;
    }
    bool before = session->unrecorded;
    session->unrecorded = !migrate_record_write(session, &why);
    if (session->unrecorded && !before) {
        g_warning("crash recovery is off, so leave this process running "
                  "until it ends: %s",
                  why->message);
    } else if (before && !session->unrecorded) {
        g_message("crash recovery is on again");
    }
    return G_SOURCE_CONTINUE;
}

void
migrate_record_start(MigrateSession *session)
{
    if (!session->recorder) {
        session->recorder = g_timeout_add(EVERY_MS, on_record, session);
    }
}
