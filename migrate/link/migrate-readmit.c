/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Letting the destination in again: see migrate-readmit.h.
 */
#include "migrate/link/migrate-readmit.h"

#include "base/error.h"
#include "base/fd.h"
#include "migrate/link/migrate-lobby.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-twice.h"
#include "migrate/session/migrate-wait.h"

#define LOOK_MS 500

void
migrate_readmit_begin(MigrateSession *session)
{
    session->peer.linked = true;
    session->peer.heard_ns = fd_now_ns();
}

/* The pages of one frame that the destination has need not go again. */
static bool
take_present(MigrateSession *session, const GByteArray *payload, bool *last,
             GError **error)
{
    WirePresent present;
    if (!wire_present_decode(payload, &present, error)) {
        return false;
    }
    uint64_t pages = present.block < session->guest.ram->n_blocks
                         ? session->guest.ram->blocks[present.block].pages
                         : 0;
    if (present.n_pages > 0 &&
        (present.first_page >= pages ||
         present.n_pages > pages - present.first_page)) {
        return error_set(error, ERROR_PROTOCOL,
                         "the destination claims pages of block %u that do "
                         "not exist",
                         present.block);
    }
    for (uint32_t i = 0; i < present.n_pages; i++) {
        if (present.bitmap[i / 8] >> (i % 8) & 1) {
            migrate_sent_take(session->source.sent, present.block,
                              present.first_page + i);
        }
    }
    *last = present.flags & WIRE_PRESENT_LAST;
    return true;
}

static bool
hear_present(MigrateSession *session, GError **error)
{
    for (bool last = false; !last;) {
        g_autoptr(GByteArray) payload = migrate_wait_expect(
            session, WIRE_FRAME_PRESENT, session->patience.talk_ms, error);
        if (!payload || !take_present(session, payload, &last, error)) {
            return false;
        }
    }
    return true;
}

static bool
tell_all(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) accept = g_byte_array_new();
    g_autoptr(GByteArray) run = g_byte_array_new();
    wire_accept_encode(session->peer.n_streams, accept);
    wire_run_encode(session->guest.ran, run);
    return migrate_mailbox_tell(session, WIRE_FRAME_ACCEPT, accept, error) &&
           migrate_outlet_tell_extents(session, true, error) &&
           migrate_mailbox_tell(session, WIRE_FRAME_RUN, run, error);
}

bool
migrate_readmit_hear_return(MigrateSession *session, int timeout_ms,
                            unsigned *flags, GError **error)
{
    MigrateFrame frame;
    if (!migrate_wait(session, migrate_mailbox_has_frame, timeout_ms,
                      "the destination to say why it reconnected", error) ||
        !migrate_mailbox_pop(session, &frame)) {
        return false;
    }
    g_autoptr(GByteArray) payload = frame.payload;
    if (frame.type == WIRE_FRAME_ENDED) {
        *flags = WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE;
        return migrate_ending_hear(session, payload, error);
    }
    if (frame.type != WIRE_FRAME_RECONNECT) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer said %s instead of RECONNECT",
                         wire_frame_name(frame.type));
    }
    return wire_reconnect_decode(payload, flags, error);
}

/* From RECONNECT to connections at work. What was sent before is worth nothing
 * now: the destination's word replaces it. */
static bool
readmit_talk(MigrateSession *session, GError **error)
{
    unsigned flags;
    if (!migrate_readmit_hear_return(session, session->patience.talk_ms, &flags,
                                     error)) {
        return false;
    }
    session->source.running |= flags & WIRE_RECONNECT_STARTED;
    if (flags & WIRE_RECONNECT_COMPLETE) {
        session->source.complete = true;
        return true;
    }
    migrate_outlet_make_order(session);
    if (!hear_present(session, error) || !tell_all(session, error) ||
        !migrate_lobby_wait_others(session, error)) {
        return false;
    }
    if (!migrate_outlet_start_serving(session, error)) {
        return false;
    }
    migrate_outlet_start_pushing(session);
    migrate_readmit_begin(session);
    session->peer.control_lost = false;
    migrate_twice_tell(session);
    g_message("the destination is back");
    return true;
}

/* The destination's ABORT contradicts the RUNNING that it said before; which of
 * the two is true cannot be known here. */
static const char *
where_the_guest_is(const MigrateSession *session)
{
    if (!session->source.running) {
        return "may run on the destination already, so it stays stopped here";
    }
    return session->peer.aborted ? "had been started on the destination before"
                                 : "runs on the destination";
}

static void
readmit_lose(MigrateSession *session, const GError *why)
{
    g_warning("%s; the guest %s; this process holds the memory that has not "
              "arrived, so leave it running; it waits until the destination "
              "reconnects",
              why->message, where_the_guest_is(session));
    migrate_outage_source(session);
}

static void
take_ended(MigrateSession *session, const GByteArray *payload)
{
    g_autoptr(GError) why = NULL;
    if (!migrate_ending_hear(session, payload, &why)) {
        readmit_lose(session, why);
    }
}

bool
migrate_readmit_heard(MigrateSession *session, unsigned type)
{
    MigrateFrame frame;
    if (!migrate_mailbox_pop(session, &frame)) {
        return false;
    }
    g_autoptr(GByteArray) payload = frame.payload;
    if (frame.type == WIRE_FRAME_ENDED) {
        take_ended(session, payload);
        return false;
    }
    /* It may say RUNNING again, having forgotten that it did. */
    if (frame.type != type && frame.type != WIRE_FRAME_RUNNING) {
        g_autoptr(GError) why = NULL;
        error_set(&why, ERROR_PROTOCOL, "the destination said %s, not %s",
                  wire_frame_name(frame.type), wire_frame_name(type));
        readmit_lose(session, why);
    }
    return frame.type == type;
}

/* A connection that is up and says nothing is one that is lost. */
static void
check_silence(MigrateSession *session)
{
    uint64_t limit_ns =
        (uint64_t)session->options.link_timeout_s * 1000000000u;
    if (session->peer.linked &&
        fd_now_ns() - session->peer.heard_ns > limit_ns) {
        g_autoptr(GError) why = NULL;
        error_set(&why, ERROR_PEER_GONE,
                  "the destination sent nothing for %.1f s",
                  fd_seconds_since(session->peer.heard_ns));
        readmit_lose(session, why);
    }
}

/* The destination said ABORT, and never that the guest runs there. */
static bool
was_refused(const MigrateSession *session)
{
    return session->peer.aborted && !session->source.running;
}

/* While a talk goes on the destination may already have given it up and
 * dialled again: then that connection is what the next talk is about. False
 * only if it refuses the guest. */
static bool
talk_if_called(MigrateSession *session, GError **error)
{
    while (session->peer.control && !session->peer.linked &&
           !session->source.complete) {
        unsigned rejoins = session->peer.rejoins;
        g_autoptr(GError) why = NULL;
        session->peer.control_lost = false;
        session->peer.watch =
            migrate_wait_watch(session, wire_link_fd(session->peer.control));
        if (readmit_talk(session, &why)) {
            continue;
        }
        if (was_refused(session)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        if (rejoins == session->peer.rejoins) {
            g_message("the destination connected, but: %s", why->message);
            migrate_outage_source(session);
        }
    }
    return true;
}

static bool
until_or_caller(MigrateSession *session)
{
    return session->source.until(session) || session->source.complete ||
           migrate_lobby_has_caller(session);
}

static bool
readmit_look(MigrateSession *session, const char *what, GError **error)
{
    GError *why = NULL;
    if (migrate_wait(session, until_or_caller, LOOK_MS, what, &why)) {
        if (migrate_lobby_has_caller(session)) {
            migrate_lobby_admit(session);
        }
        return true;
    }
    if (was_refused(session)) {
        g_propagate_error(error, why);
        return false;
    }
    if (error_is(why, ERROR_VM_GONE)) {
        g_message("the source's QEMU has ended; its memory is held here "
                  "until the destination has it all");
    } else if (!error_is(why, ERROR_RETRY)) {
        readmit_lose(session, why);
    }
    g_error_free(why);
    return true;
}

bool
migrate_readmit_wait(MigrateSession *session, bool (*done)(MigrateSession *),
                     const char *what, GError **error)
{
    guint watch =
        migrate_wait_watch(session, wire_porch_fd(session->peer.porch));
    bool ok = true;
    session->source.until = done;
    while (ok && !done(session) && !session->source.complete) {
        ok = readmit_look(session, what, error);
        migrate_twice_watch(session);
        check_silence(session);
        ok = ok && talk_if_called(session, error);
    }
    g_source_remove(watch);
    return ok;
}
