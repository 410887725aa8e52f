/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames in and out: see migrate-mailbox.h.
 */
#include "migrate/session/migrate-mailbox.h"

#include <poll.h>

#include "base/error.h"
#include "base/fd.h"

#define FRAMES_AT_A_TIME 64u

/* It may be heard as soon as RUN was: before that the source has every right
 * to run the guest. */
static bool
note_source_runs(MigrateSession *session, GError **error)
{
    bool run_heard = session->options.follow
                         ? session->destination.follow.run_heard
                         : session->peer.linked || session->past_no_return;
    if (session->options.role != MIGRATE_RECEIVE || !run_heard) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer said %s before RUN",
                         wire_frame_name(WIRE_FRAME_SOURCE_RUNS));
    }
    if (!session->report.source_ran) {
        g_warning("%s", MIGRATE_REPORT_RAN_TWICE);
    }
    session->report.source_ran = true;
    return true;
}

/* The guest is the source's until RUN: it cannot have ended over there. */
static bool
check_ended(const MigrateSession *session, GError **error)
{
    return (session->options.role == MIGRATE_SEND &&
            session->past_no_return) ||
           error_set(error, ERROR_PROTOCOL, "the peer said %s before RUN",
                     wire_frame_name(WIRE_FRAME_ENDED));
}

static bool
on_frame(MigrateSession *session, unsigned type, GByteArray *payload,
         GError **error)
{
    g_debug("peer: %s", wire_frame_name(type));
    session->peer.heard_ns = fd_now_ns();
    if (type == WIRE_FRAME_ABORT) {
        g_autofree char *reason = wire_abort_decode(payload);
        session->peer.aborted = true;
        return error_set(error, ERROR_PEER_GONE, "the %s stopped: %s",
                         session->options.role == MIGRATE_SEND ? "destination"
                                                               : "source",
                         reason);
    }
    if (type == WIRE_FRAME_ALIVE) {
        return true;
    }
    if (type == WIRE_FRAME_SOURCE_RUNS) {
        return note_source_runs(session, error);
    }
    if (type == WIRE_FRAME_PROGRESS) {
        session->peer.owes_alive = true;
        return wire_progress_decode(payload, &session->source.present_pages,
                                    &session->source.demand_pages, error);
    }
    if (type == WIRE_FRAME_ENDED && !check_ended(session, error)) {
        return false;
    }
    MigrateFrame *frame = g_new0(MigrateFrame, 1);
    frame->type = type;
    frame->payload = g_byte_array_ref(payload);
    g_queue_push_tail(&session->peer.frames, frame);
    return true;
}

static bool
is_readable(WireLink *link)
{
    struct pollfd p = {.fd = wire_link_fd(link), .events = POLLIN};
    return wire_link_has_pending(link) || poll(&p, 1, 0) > 0;
}

static bool
has_more(MigrateSession *session)
{
    return session->peer.control && !session->peer.control_lost &&
           g_queue_is_empty(&session->peer.frames) &&
           is_readable(session->peer.control);
}

/* One expected frame at a time: the peer may say its last word and leave, and
 * the word must be heard before its leaving is. And not all there is: a peer
 * that talks without end must not keep us from signals and from the clock. */
static bool
take_in_frames(MigrateSession *session, GError **error)
{
    for (unsigned n = 0; n < FRAMES_AT_A_TIME && has_more(session); n++) {
        unsigned type;
        g_autoptr(GByteArray) payload = NULL;
        if (!wire_link_receive_frame(session->peer.control, &type, &payload,
                                     error)) {
            session->peer.control_lost = true;
            migrate_session_stop_watching(&session->peer.watch);
            g_prefix_error(error, "the control connection is lost: ");
            return false;
        }
        if (!on_frame(session, type, payload, error)) {
            return false;
        }
    }
    return true;
}

/* One ALIVE answers for all PROGRESS that was taken in. */
bool
migrate_mailbox_take_in(MigrateSession *session, GError **error)
{
    bool ok = take_in_frames(session, error);
    bool owes = session->peer.owes_alive && !session->peer.control_lost;
    session->peer.owes_alive = false;
    session->peer.more = ok && has_more(session);
    return ok && (!owes || migrate_session_tell(session, WIRE_FRAME_ALIVE,
                                                NULL, error));
}

bool
migrate_session_pop_frame(MigrateSession *session, MigrateFrame *frame)
{
    MigrateFrame *oldest = g_queue_pop_head(&session->peer.frames);
    if (!oldest) {
        return false;
    }
    *frame = *oldest;
    g_free(oldest);
    return true;
}

bool
migrate_session_has_frame(MigrateSession *session)
{
    return !g_queue_is_empty(&session->peer.frames);
}

bool
migrate_session_tell(MigrateSession *session, unsigned type,
                     const GByteArray *payload, GError **error)
{
    if (!session->peer.control || session->peer.control_lost) {
        return error_set(error, ERROR_PEER_GONE,
                         "there is no connection to the peer");
    }
    return wire_link_send_frame(session->peer.control, type, payload, error);
}

void
migrate_session_tell_abort(MigrateSession *session, const char *reason)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_abort_encode(reason, payload);
    migrate_session_tell(session, WIRE_FRAME_ABORT, payload, NULL);
}
