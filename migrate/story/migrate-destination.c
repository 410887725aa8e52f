/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's side of the story: see migrate-destination.h.
 */
#include "migrate/story/migrate-destination.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/core/migrate-token.h"
#include "migrate/core/migrate-trust.h"
#include "migrate/drive/migrate-arm.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/session/migrate-wait.h"

static bool
never(MigrateSession *session)
{
    return false;
}

/* A source that does not know the token is not the one that we were sent to:
 * it was started without --token-file, or is somebody else. */
static bool
check_token(const MigrateSession *session, const uint8_t *token,
            GError **error)
{
    return !session->options.token_path ||
           memcmp(session->peer.id, token, WIRE_SESSION_BYTES) == 0 ||
           error_set(error, ERROR_PROTOCOL,
                     "the source at %s was not started with this token; give "
                     "--token-file to 'postlude send' as well",
                     session->options.address);
}

/* "Either may be started first": redial until the source listens. A refusal
 * in words (version, busy) is final; silence is not. */
bool
migrate_destination_connect(MigrateSession *session, GError **error)
{
    session->peer.address = migrate_trust_address(&session->options, error);
    if (!session->peer.address) {
        return false;
    }
    uint8_t token[WIRE_SESSION_BYTES] = {0};
    if (session->options.token_path &&
        !migrate_token_read(session->options.token_path, token, error)) {
        return false;
    }
    memcpy(session->peer.id, token, sizeof token);
    uint64_t began_ns = fd_now_ns();
    uint64_t deadline =
        fd_deadline_ns(session->options.peer_timeout_s * 1000);
    for (int pause_ms = 50;; pause_ms = MIN(pause_ms * 2, 1000)) {
        g_autoptr(GError) why = NULL;
        session->peer.control =
            wire_link_dial(session->peer.address, WIRE_ROLE_CONTROL, 0,
                           session->peer.id, &why);
        if (session->peer.control) {
            session->peer.watch = migrate_wait_watch(
                session, wire_link_fd(session->peer.control));
            return check_token(session, token, error);
        }
        if (!error_is(why, ERROR_PEER_GONE) || fd_now_ns() >= deadline) {
            g_propagate_prefixed_error(
                error, g_steal_pointer(&why),
                "no source ('postlude send --listen') reached in %.1f s: ",
                fd_seconds_since(began_ns));
            return false;
        }
        g_autoptr(GError) over = NULL;
        if (!migrate_wait(session, never, pause_ms, "the source", &over) &&
            !error_is(over, ERROR_RETRY)) {
            g_propagate_error(error, g_steal_pointer(&over));
            return false;
        }
    }
}

static bool
dial_others(MigrateSession *session, GError **error)
{
    memcpy(session->peer.ticket, session->peer.id, sizeof session->peer.ticket);
    if (!session->options.follow) {
        session->peer.device =
            migrate_intake_dial(session, WIRE_ROLE_DEVICE, 0, error);
    }
    return (session->peer.device || session->options.follow) &&
           migrate_intake_dial_pages(session, error);
}

bool
migrate_destination_agree(MigrateSession *session, GError **error)
{
    session->report.started_ns = fd_now_ns();
    g_auto(WireLayout) layout = {0};
    migrate_ram_to_layout(session->guest.ram, &session->guest.identity,
                          (unsigned)session->options.streams, &layout);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_layout_encode(&layout, payload);
    if (!migrate_mailbox_tell(session, WIRE_FRAME_LAYOUT, payload, error)) {
        return false;
    }
    g_autoptr(GByteArray) accept = migrate_wait_expect(
        session, WIRE_FRAME_ACCEPT, session->patience.agree_ms, error);
    return accept &&
           wire_accept_decode(accept, &session->peer.n_streams, error) &&
           dial_others(session, error);
}

bool
migrate_destination_prepare(MigrateSession *session, GError **error)
{
    unsigned n = session->guest.ram->n_blocks;
    session->destination.wanted = g_new0(uint8_t *, n);
    for (unsigned i = 0; i < n; i++) {
        session->destination.wanted[i] =
            g_malloc0(session->guest.ram->blocks[i].extents);
    }
    if (!migrate_intake_hear_extents(session, false, session->patience.agree_ms,
                                     error) ||
        !migrate_arm(session, error) ||
        !migrate_mailbox_tell(session, WIRE_FRAME_ARMED, NULL, error)) {
        return false;
    }
    session->report.armed_ns = fd_now_ns();
    migrate_session_step(session, "armed");
    return true;
}

void
migrate_destination_unprepare(MigrateSession *session)
{
    migrate_disarm(session);
}

/* The source's operator may take any time to say go; the guest runs there. */
bool
migrate_destination_wait(MigrateSession *session, GError **error)
{
    uint64_t before = fd_now_ns();
    g_autoptr(GByteArray) go =
        migrate_wait_expect(session, WIRE_FRAME_SWITCHOVER, -1, error);
    session->report.waited_ns = fd_now_ns() - before;
    return go != NULL;
}
