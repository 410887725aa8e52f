/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Accepting connections: see migrate-lobby.h.
 */
#include "migrate/migrate-lobby.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

bool
migrate_lobby_check_address(const WireAddress *address, bool insecure,
                            GError **error)
{
    if (wire_address_is_local(address)) {
        return true;
    }
    if (!insecure) {
        return error_set(error, ERROR_USAGE,
                         "%s can be reached by other hosts, and this version "
                         "neither encrypts nor authenticates: use loopback or "
                         "unix:PATH through a tunnel of your own (ssh, "
                         "WireGuard), or --insecure on a network you trust",
                         wire_address_text(address));
    }
    g_warning("--insecure: everybody on the way can read and change the "
              "guest's memory, and whoever connects first gets it");
    return true;
}

bool
migrate_lobby_open(MigrateSession *session, GError **error)
{
    session->address = wire_address_parse(session->options.address, error);
    if (!session->address ||
        !migrate_lobby_check_address(session->address,
                                     session->options.insecure, error)) {
        return false;
    }
    session->listener = wire_address_listen(session->address, error);
    if (session->listener < 0) {
        return false;
    }
    if (getrandom(session->session, sizeof session->session, 0) !=
        sizeof session->session) {
        return error_set_errno(error, errno, "random bytes for the session");
    }
    g_message("listening on %s; now start 'postlude receive --connect' on "
              "the destination",
              wire_address_text(session->address));
    return true;
}

/* In constant time: how long it takes tells a stranger nothing. */
static bool
is_our_session(const MigrateSession *session, const WireHello *hello)
{
    unsigned difference = 0;
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        difference |= (unsigned)(session->session[i] ^ hello->session[i]);
    }
    return difference == 0;
}

/* Where a connection of this role belongs, or NULL if none is expected. */
static WireLink **
place_for(MigrateSession *session, const WireHello *hello)
{
    WireLink **place = NULL;
    if (hello->role == WIRE_ROLE_CONTROL) {
        place = &session->control;
    } else if (hello->role == WIRE_ROLE_DEVICE) {
        place = &session->device;
    } else if (hello->role == WIRE_ROLE_URGENT) {
        place = &session->urgent;
    } else if (hello->role == WIRE_ROLE_BULK &&
               hello->index < session->n_streams) {
        place = &session->bulk[hello->index];
    }
    return place && !*place ? place : NULL;
}

static WireStatus
judge(MigrateSession *session, const WireHello *hello, WireLink ***place)
{
    *place = place_for(session, hello);
    if (!wire_hello_common_version(hello)) {
        return WIRE_STATUS_VERSION;
    }
    if (hello->role == WIRE_ROLE_CONTROL) {
        return *place ? WIRE_STATUS_OK : WIRE_STATUS_BUSY;
    }
    if (!session->control || !is_our_session(session, hello)) {
        return WIRE_STATUS_SESSION;
    }
    return *place ? WIRE_STATUS_OK : WIRE_STATUS_ROLE;
}

static char *
explain(WireStatus status, const WireHello *hello)
{
    if (status == WIRE_STATUS_VERSION) {
        return g_strdup_printf(
            "the destination speaks protocol versions %u to %u, this source "
            "%u to %u; install the same postlude on both hosts",
            hello->lowest, hello->version, WIRE_LOWEST_VERSION, WIRE_VERSION);
    }
    return g_strdup(wire_status_name(status));
}

/* One connection: in, or out with a word. */
static void
receive_caller(MigrateSession *session, int fd)
{
    WireHello hello;
    g_autoptr(GError) why = NULL;
    g_autoptr(WireLink) link = wire_link_accept(fd, &hello, &why);
    if (!link) {
        g_warning("turned a connection away: %s", why->message);
        return;
    }
    WireLink **place;
    WireStatus status = judge(session, &hello, &place);
    if (status != WIRE_STATUS_OK) {
        g_autofree char *reason = explain(status, &hello);
        g_warning("turned a %s connection away: %s",
                  wire_role_name(hello.role), reason);
        wire_link_reject(link, status, reason);
    } else if (wire_link_welcome(link, &hello, session->session, NULL)) {
        *place = g_steal_pointer(&link);
    }
}

static bool
has_caller(MigrateSession *session)
{
    struct pollfd p = {.fd = session->listener, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static bool
wait_until(MigrateSession *session, bool (*done)(const MigrateSession *),
           const char *what, GError **error)
{
    uint64_t deadline =
        fd_deadline_ns(session->options.peer_timeout_s * 1000);
    guint watch = migrate_session_watch(session, session->listener);
    bool ok = true;
    while (ok && !done(session)) {
        uint64_t now = fd_now_ns();
        int left_ms = now < deadline ? (int)((deadline - now) / 1000000) : 0;
        ok = migrate_session_wait(session, has_caller, left_ms, what, error);
        if (ok) {
            int fd = accept4(session->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                receive_caller(session, fd);
            }
        }
    }
    g_source_remove(watch);
    return ok;
}

static bool
has_control(const MigrateSession *session)
{
    return session->control != NULL;
}

bool
migrate_lobby_wait_control(MigrateSession *session, GError **error)
{
    if (!wait_until(session, has_control,
                    "a destination ('postlude receive')", error)) {
        return false;
    }
    session->watch_control =
        migrate_session_watch(session, wire_link_fd(session->control));
    return true;
}

static bool
has_others(const MigrateSession *session)
{
    for (unsigned i = 0; i < session->n_streams; i++) {
        if (!session->bulk[i]) {
            return false;
        }
    }
    return session->device && session->urgent;
}

bool
migrate_lobby_wait_others(MigrateSession *session, GError **error)
{
    bool ok = wait_until(session, has_others,
                         "the destination's other connections", error);
    fd_clear(&session->listener);
    wire_address_unlink(session->address);
    return ok;
}
