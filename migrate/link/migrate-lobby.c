/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Accepting connections: see migrate-lobby.h.
 */
#include "migrate/link/migrate-lobby.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/core/migrate-token.h"
#include "migrate/core/migrate-trust.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/session/migrate-wait.h"

bool
migrate_lobby_listen(MigrateSession *session, GError **error)
{
    session->peer.address = migrate_trust_address(&session->options, error);
    if (!session->peer.address) {
        return false;
    }
    session->peer.listener = wire_address_listen(session->peer.address, error);
    return session->peer.listener >= 0;
}

bool
migrate_lobby_open_door(MigrateSession *session, GError **error)
{
    if (!migrate_confine_helper(&session->options, &session->report_file,
                                error)) {
        return false;
    }
    g_autoptr(GError) why = NULL;
    while (!(session->peer.porch =
                 wire_porch_open(session->peer.listener,
                                 wire_address_creds(session->peer.address),
                                 WIRE_LINK_PATIENCE_MS, &why))) {
        if (!migrate_wait_outlast(session, &why, error)) {
            return false;
        }
    }
    return true;
}

bool
migrate_lobby_open(MigrateSession *session, GError **error)
{
    if (!migrate_lobby_listen(session, error) ||
        !migrate_token_session(session->options.token_path, session->peer.id,
                               error)) {
        return false;
    }
    memcpy(session->peer.ticket, session->peer.id, sizeof session->peer.ticket);
    migrate_session_step(session, "listening");
    g_message("listening on %s; now start 'postlude receive --connect' on "
              "the destination",
              wire_address_text(session->peer.address));
    return true;
}

/* In constant time: how long it takes tells a stranger nothing. */
static bool
lobby_shows(const WireHello *hello, const uint8_t expected[WIRE_SESSION_BYTES])
{
    unsigned difference = 0;
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        difference |= (unsigned)(expected[i] ^ hello->session[i]);
    }
    return difference == 0;
}

/* Where a connection of this role belongs, or NULL if none is expected. */
static WireLink **
place_for(MigrateSession *session, const WireHello *hello)
{
    WireLink **place = NULL;
    if (hello->role == WIRE_ROLE_CONTROL) {
        place = &session->peer.control;
    } else if (hello->role == WIRE_ROLE_DEVICE) {
        place = session->options.follow ? NULL : &session->peer.device;
    } else if (hello->role == WIRE_ROLE_URGENT) {
        place = &session->peer.urgent;
    } else if (hello->role == WIRE_ROLE_BULK &&
               hello->index < session->peer.n_streams) {
        place = &session->peer.bulk[hello->index];
    }
    return place && !*place ? place : NULL;
}

static WireStatus
lobby_judge(MigrateSession *session, const WireHello *hello, WireLink ***place)
{
    *place = place_for(session, hello);
    if (!wire_hello_common_version(hello)) {
        return WIRE_STATUS_VERSION;
    }
    if (hello->role == WIRE_ROLE_CONTROL && session->options.token_path &&
        !lobby_shows(hello, session->peer.id)) {
        return WIRE_STATUS_SESSION;
    }
    if (hello->role == WIRE_ROLE_CONTROL) {
        return *place ? WIRE_STATUS_OK : WIRE_STATUS_BUSY;
    }
    if (!session->peer.control || !lobby_shows(hello, session->peer.ticket)) {
        return WIRE_STATUS_SESSION;
    }
    return *place ? WIRE_STATUS_OK : WIRE_STATUS_ROLE;
}

/* After RUN only our destination is let in, and always: that it dials means
 * that it has lost what we may still take for connected. */
static WireStatus
judge_again(MigrateSession *session, const WireHello *hello,
            WireLink ***place, GError **error)
{
    bool control = hello->role == WIRE_ROLE_CONTROL;
    if (control && !lobby_shows(hello, session->peer.id)) {
        return WIRE_STATUS_SESSION;
    }
    if (control) {
        migrate_outage_source(session);
        session->peer.rejoins++;
        if (!migrate_token_session(NULL, session->peer.ticket, error)) {
            return WIRE_STATUS_BUSY;
        }
    }
    return lobby_judge(session, hello, place);
}

static char *
lobby_explain(WireStatus status, const WireHello *hello)
{
    if (status == WIRE_STATUS_VERSION) {
        return g_strdup_printf(
            "the destination speaks protocol versions %u to %u, this source "
            "%u to %u; install the same postlude on both hosts",
            hello->lowest, hello->version, WIRE_LOWEST_VERSION, WIRE_VERSION);
    }
    if (status == WIRE_STATUS_ROLE && hello->role == WIRE_ROLE_DEVICE) {
        return g_strdup("the source was started with --follow, so QEMU's own "
                        "stream does not go through it; give --follow to "
                        "receive as well");
    }
    return g_strdup(wire_status_name(status));
}

bool
migrate_lobby_has_caller(MigrateSession *session)
{
    struct pollfd p = {.fd = wire_porch_fd(session->peer.porch),
                       .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

void
migrate_lobby_admit(MigrateSession *session)
{
    WireHello hello;
    g_autoptr(GError) why = NULL;
    g_autoptr(WireLink) link = wire_porch_take(session->peer.porch, &hello);
    if (!link) {
        return;
    }
    WireLink **place = NULL;
    WireStatus status = session->past_no_return
                            ? judge_again(session, &hello, &place, &why)
                            : lobby_judge(session, &hello, &place);
    if (status != WIRE_STATUS_OK) {
        g_autofree char *reason = lobby_explain(status, &hello);
        g_warning("refused a %s connection: %s", wire_role_name(hello.role),
                  reason);
        wire_link_reject(link, status, reason);
    } else if (wire_link_welcome(link, &hello, session->peer.ticket, NULL)) {
        *place = g_steal_pointer(&link);
        if (hello.role == WIRE_ROLE_CONTROL) {
            g_free(session->peer.host);
            session->peer.host = wire_link_peer_host(*place);
        }
    }
}

static bool
wait_until(MigrateSession *session, bool (*done)(const MigrateSession *),
           const char *what, GError **error)
{
    uint64_t began_ns = fd_now_ns();
    uint64_t deadline =
        fd_deadline_ns(session->options.peer_timeout_s * 1000);
    guint watch =
        migrate_wait_watch(session, wire_porch_fd(session->peer.porch));
    unsigned rejoins = session->peer.rejoins;
    bool ok = true;
    while (ok && !done(session)) {
        uint64_t now = fd_now_ns();
        int left_ms = now < deadline ? (int)((deadline - now) / 1000000) : 0;
        g_autoptr(GError) why = NULL;
        ok = migrate_wait(session, migrate_lobby_has_caller, left_ms, what,
                          &why);
        if (error_is(why, ERROR_RETRY)) { /* and not since the last caller */
            error_set(error, ERROR_RETRY,
                      "gave up waiting for %s after %.1f s", what,
                      fd_seconds_since(began_ns));
        } else if (why) {
            g_propagate_error(error, g_steal_pointer(&why));
        }
        if (ok) {
            migrate_lobby_admit(session);
        }
        if (ok && session->peer.rejoins != rejoins) {
            ok = error_set(error, ERROR_RETRY,
                           "the destination connected once more");
        }
    }
    g_source_remove(watch);
    return ok;
}

static bool
has_control(const MigrateSession *session)
{
    return session->peer.control != NULL;
}

bool
migrate_lobby_wait_control(MigrateSession *session, GError **error)
{
    if (!wait_until(session, has_control,
                    "a destination ('postlude receive')", error)) {
        return false;
    }
    session->peer.watch =
        migrate_wait_watch(session, wire_link_fd(session->peer.control));
    return true;
}

static bool
has_others(const MigrateSession *session)
{
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (!session->peer.bulk[i]) {
            return false;
        }
    }
    return session->peer.urgent &&
           (session->peer.device || session->options.follow ||
            session->past_no_return);
}

bool
migrate_lobby_wait_others(MigrateSession *session, GError **error)
{
    return wait_until(session, has_others,
                      session->options.follow
                          ? "the destination's other connections"
                          : "the destination's other connections (a receive "
                            "--follow opens no device connection: then give "
                            "--follow to send as well)",
                      error);
}
