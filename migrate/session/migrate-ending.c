/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest's own end: see migrate-ending.h.
 *
 * A QEMU that says SHUTDOWN has not ended: with -no-shutdown it stays, its
 * guest may be reset and go on, and needs its memory. So it is the end of its
 * process that counts, and what it said before only tells a shutdown from a
 * crash: its exit status is not ours to read.
 */
#include "migrate/session/migrate-ending.h"

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"

#define LAST_WORDS_MS 2000

#define SILENT                                                                \
    "its QEMU ended without saying why, so it crashed or was killed; its own " \
    "log may say more"
#define UNSEEN                                                                \
    "its QEMU ended while no receiver was at work, so how is not known"

/* The threads hear of the end first: QEMU gives up its memory before it closes
 * its monitor, in which its last words may lie unread. */
static void
hear_last_words(MigrateSession *session)
{
    uint64_t deadline = fd_deadline_ns(LAST_WORDS_MS);
    while (!session->guest.gone && fd_now_ns() < deadline) {
        migrate_wait_take_in(session, NULL);
        g_usleep(1000);
    }
    session->guest.gone = true;
}

static void
ending_note(MigrateSession *session, WireEndedCode code, const char *words)
{
    session->guest.ended = code;
    g_free(session->guest.ended_words);
    session->guest.ended_words = g_strdup(words);
    session->report.ended = wire_ended_name(code);
}

void
migrate_ending_note(MigrateSession *session)
{
    if (session->guest.ended) {
        return;
    }
    hear_last_words(session);
    bool said = session->guest.shutdown.code != 0;
    ending_note(session,
                said ? session->guest.shutdown.code : WIRE_ENDED_CRASHED,
                said ? session->guest.shutdown.words : SILENT);
    migrate_record_or_warn(session);
}

void
migrate_ending_note_old(MigrateSession *session)
{
    static const char *const words[] = {
        [0] = UNSEEN,
        [WIRE_ENDED_SHUT_DOWN] = "by itself",
        [WIRE_ENDED_STOPPED] = "its QEMU was ended on its host",
        [WIRE_ENDED_CRASHED] = SILENT,
    };
    WireEndedCode known = session->guest.ended;
    session->guest.gone = true;
    ending_note(session, known ? known : WIRE_ENDED_CRASHED, words[known]);
}

GByteArray *
migrate_ending_payload(const MigrateSession *session)
{
    GByteArray *payload = g_byte_array_new();
    wire_ended_encode(session->guest.ended, session->guest.ended_words,
                      payload);
    return payload;
}

bool
migrate_ending_hear(MigrateSession *session, const GByteArray *payload,
                    GError **error)
{
    WireEndedCode code;
    g_autofree char *words = NULL;
    if (!wire_ended_decode(payload, &code, &words, error)) {
        return false;
    }
    ending_note(session, code, words);
    session->source.running = session->source.complete = true;
    return true;
}

static char *
ending_describe(const MigrateSession *session)
{
    bool send = session->options.role == MIGRATE_SEND;
    const char *where = send ? "on the destination" : "here";
    switch (session->guest.ended) {
    case WIRE_ENDED_SHUT_DOWN:
        return g_strdup_printf("the guest has shut down %s: %s", where,
                               session->guest.ended_words);
    case WIRE_ENDED_STOPPED:
        return g_strdup_printf("the guest was ended %s: %s", where,
                               session->guest.ended_words);
    default:
        return g_strdup_printf("the guest ended %s before all of its memory "
                               "had arrived: %s; start it anew from its disks",
                               where, session->guest.ended_words);
    }
}

bool
migrate_ending_conclude(MigrateSession *session, GError **error)
{
    g_autofree char *text = ending_describe(session);
    if (session->guest.ended == WIRE_ENDED_CRASHED) {
        return error_set(error, ERROR_VM_GONE, "%s", text);
    }
    session->report.outcome = "ended";
    session->report.reason = g_steal_pointer(&text);
    return true;
}
