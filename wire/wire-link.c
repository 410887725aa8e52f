/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One connected stream: see wire-link.h.
 */
#include "wire/wire-link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "wire/wire-tls.h"

/* What goes through us at a time when a file is sent with TLS. */
#define COPY_BYTES (64u * 1024)

/* A frame may have to wait for a slow wire behind others, but who sends it is
 * the thread that looks after everything else. */
#define STALL_PATIENCES 3

struct WireLink {
    int fd;
    WireTls *tls; /* NULL: plain text */
    int patience_ms;
    _Atomic uint64_t received;
    _Atomic uint64_t sent;
};

/* Small messages must not wait for an acknowledgement (Nagle), and a peer
 * whose host died must be noticed some day. Fails harmlessly on UNIX sockets. */
static void
link_tune(int fd)
{
    int one = 1, idle = 15, interval = 5, count = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

WireLink *
wire_link_new(int fd)
{
    WireLink *link = g_new0(WireLink, 1);
    link->fd = fd;
    link->patience_ms = WIRE_LINK_PATIENCE_MS;
    link_tune(fd);
    return link;
}

void
wire_link_set_patience(WireLink *link, int patience_ms)
{
    link->patience_ms = patience_ms;
}

void
wire_link_free(WireLink *link)
{
    g_clear_pointer(&link->tls, wire_tls_free);
    fd_clear(&link->fd);
    g_free(link);
}

static bool
read_until(WireLink *link, void *buffer, size_t bytes, uint64_t deadline_ns,
           GError **error)
{
    return link->tls ? wire_tls_read(link->tls, buffer, bytes, deadline_ns,
                                     error)
                     : fd_read_all(link->fd, buffer, bytes, deadline_ns,
                                   error);
}

/* WHY is taken over; what is no silence stays what it is. */
static bool
say_silent(const WireLink *link, GError *why, ErrorCode code, GError **error)
{
    if (error_is(why, ERROR_RETRY)) {
        g_clear_error(&why);
        return error_set(error, code,
                         "the peer fell silent for %.1f s in the middle of a "
                         "message",
                         link->patience_ms / 1000.0);
    }
    g_propagate_error(error, why);
    return false;
}

static bool
read_by(WireLink *link, void *buffer, size_t bytes, uint64_t deadline_ns,
        ErrorCode code, GError **error)
{
    GError *why = NULL;
    if (read_until(link, buffer, bytes, deadline_ns, &why)) {
        atomic_fetch_add(&link->received, bytes);
        return true;
    }
    return say_silent(link, why, code, error);
}

/* CODE is what silence means. A caller's greeting that stops is none
 * (PROTOCOL); a peer that does not finish what it has begun to say is lost, as
 * if its connection had ended (PEER_GONE). */
static bool
read_in_time(WireLink *link, void *buffer, size_t bytes, ErrorCode code,
             GError **error)
{
    return read_by(link, buffer, bytes, fd_deadline_ns(link->patience_ms),
                   code, error);
}

/* Until there is something to read. */
static bool
wait_readable(WireLink *link, uint64_t deadline_ns, GError **error)
{
    return wire_link_has_pending(link) ||
           fd_wait(link->fd, POLLIN, deadline_ns, error);
}

/* A rejected dialler gets the reason as an ABORT frame behind WELCOME; it is
 * not waited for longer than the greeting was. */
static bool
report_rejection(WireLink *link, WireStatus status, GError **error)
{
    unsigned type;
    g_autoptr(GByteArray) payload = NULL;
    g_autofree char *reason = NULL;
    if (wait_readable(link, fd_deadline_ns(link->patience_ms), NULL) &&
        wire_link_receive_frame(link, &type, &payload, NULL) &&
        type == WIRE_FRAME_ABORT) {
        reason = wire_abort_decode(payload);
    }
    return error_set(error, ERROR_PROTOCOL, "the source refused us: %s",
                     reason ? reason : wire_status_name(status));
}

static bool
link_greet(WireLink *link, WireRole role, unsigned index,
           uint8_t session[WIRE_SESSION_BYTES], GError **error)
{
    WireHello hello = {.version = WIRE_VERSION,
                       .lowest = WIRE_LOWEST_VERSION,
                       .role = role,
                       .index = (uint8_t)index};
    memcpy(hello.session, session, WIRE_SESSION_BYTES);
    WireHelloBytes out;
    wire_hello_encode(&hello, &out);
    WireWelcomeBytes in;
    WireWelcome welcome;
    /* A listener that does not like our certificate may have hung up before
     * this, with its reason still to be read. */
    g_autoptr(GError) unsent = NULL;
    if (!wire_link_write(link, &out, sizeof out, &unsent) && !link->tls) {
        g_propagate_error(error, g_steal_pointer(&unsent));
        return false;
    }
    /* Who is kept waiting by strangers at the door dials again. */
    if (!read_in_time(link, &in, sizeof in, ERROR_PEER_GONE, error) ||
        !wire_welcome_decode(&in, &welcome, error)) {
        return false;
    }
    if (welcome.status != WIRE_STATUS_OK) {
        return report_rejection(link, welcome.status, error);
    }
    memcpy(session, welcome.session, WIRE_SESSION_BYTES);
    return true;
}

WireLink *
wire_link_dial(const WireAddress *address, WireRole role, unsigned index,
               uint8_t session[WIRE_SESSION_BYTES], GError **error)
{
    int fd = wire_address_dial(address, error);
    if (fd < 0) {
        return NULL;
    }
    g_autoptr(WireLink) link = wire_link_new(fd);
    const WireTlsCreds *creds = wire_address_creds(address);
    bool ok = !creds || (link->tls = wire_tls_dial(
                             fd, creds, fd_deadline_ns(link->patience_ms),
                             error));
    if (!ok || !link_greet(link, role, index, session, error)) {
        g_prefix_error(error, "%s connection to %s: ", wire_role_name(role),
                       wire_address_text(address));
        return NULL;
    }
    return g_steal_pointer(&link);
}

/* Closing a socket that holds unread bytes resets the connection, and a reset
 * may reach the peer before the words that explain it. */
static void
discard_input(WireLink *link)
{
    char scratch[4096];
    for (int i = 0; i < 16 && recv(link->fd, scratch, sizeof scratch,
                                   MSG_DONTWAIT) > 0; i++) {
    }
}

/* A plain HELLO where TLS is wanted, or the other way round: both get to know.
 * The refusal is plain text in either case. Who wants TLS does not believe a
 * word of it, but sees that it is none. */
static void
turn_away(WireLink *link, bool wants_tls, GError **error)
{
    const char *reason =
        wants_tls ? "this side speaks plain text, the caller TLS: start both "
                    "with the same TLS options, or neither"
                  : "this side wants TLS, the caller speaks plain text: start "
                    "the other one with --tls, --tls-creds or --tls-psk too";
    discard_input(link);
    wire_link_reject(link, WIRE_STATUS_TLS, reason);
    error_set(error, ERROR_PROTOCOL, "%s", reason);
}

/* What the caller speaks is told by its first byte, which stays in the socket
 * for whoever reads next. */
static bool
agree_on_tls(WireLink *link, const WireTlsCreds *creds, uint64_t deadline_ns,
             GError **error)
{
    uint8_t first = 0;
    if (!fd_wait(link->fd, POLLIN, deadline_ns, NULL)) {
        return error_set(error, ERROR_PROTOCOL,
                         "the caller said nothing for %.1f s",
                         link->patience_ms / 1000.0);
    }
    bool any = recv(link->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    if (any && !creds && first == WIRE_TLS_FIRST_BYTE) {
        turn_away(link, true, error);
        return false;
    }
    if (any && creds && first == WIRE_MAGIC[0]) {
        turn_away(link, false, error);
        return false;
    }
    return !creds ||
           (link->tls = wire_tls_accept(link->fd, creds, deadline_ns, error));
}

WireLink *
wire_link_accept(int fd, const WireTlsCreds *creds, int patience_ms,
                 WireHello *hello, GError **error)
{
    g_autoptr(WireLink) link = wire_link_new(fd);
    link->patience_ms = patience_ms;
    uint64_t deadline_ns = fd_deadline_ns(link->patience_ms);
    WireHelloBytes in;
    if (!agree_on_tls(link, creds, deadline_ns, error) ||
        !read_by(link, &in, sizeof in, deadline_ns, ERROR_PROTOCOL, error) ||
        !wire_hello_decode(&in, hello, error)) {
        discard_input(link);
        return NULL;
    }
    link->patience_ms = WIRE_LINK_PATIENCE_MS;
    return g_steal_pointer(&link);
}

bool
wire_link_welcome(WireLink *link, const WireHello *hello,
                  const uint8_t session[WIRE_SESSION_BYTES], GError **error)
{
    WireWelcome welcome = {.version = wire_hello_common_version(hello),
                           .status = WIRE_STATUS_OK};
    memcpy(welcome.session, session, WIRE_SESSION_BYTES);
    WireWelcomeBytes out;
    wire_welcome_encode(&welcome, &out);
    return wire_link_write(link, &out, sizeof out, error);
}

void
wire_link_reject(WireLink *link, WireStatus status, const char *reason)
{
    WireWelcome welcome = {.version = WIRE_VERSION, .status = status};
    WireWelcomeBytes out;
    wire_welcome_encode(&welcome, &out);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_abort_encode(reason, payload);
    if (wire_link_write(link, &out, sizeof out, NULL)) {
        wire_link_send_frame(link, WIRE_FRAME_ABORT, payload, NULL);
    }
    wire_link_shutdown_write(link);
}

int
wire_link_fd(const WireLink *link)
{
    return link->fd;
}

char *
wire_link_peer_host(const WireLink *link)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;
    char host[NI_MAXHOST];
    if (getpeername(link->fd, (struct sockaddr *)&peer, &bytes) < 0 ||
        peer.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&peer, bytes, host, sizeof host, NULL,
                    0, NI_NUMERICHOST) != 0) {
        return g_strdup("this host");
    }
    return g_strdup(host);
}

bool
wire_link_has_pending(WireLink *link)
{
    return link->tls && wire_tls_has_pending(link->tls);
}

char *
wire_link_describe(WireLink *link)
{
    return link->tls ? wire_tls_describe(link->tls) : g_strdup("plain text");
}

bool
wire_link_read(WireLink *link, void *buffer, size_t bytes, GError **error)
{
    if (!read_until(link, buffer, bytes, 0, error)) {
        return false;
    }
    atomic_fetch_add_explicit(&link->received, bytes, memory_order_relaxed);
    return true;
}

static ssize_t
link_receive(WireLink *link, void *buffer, size_t bytes, int flags,
             GError **error)
{
    ssize_t n = recv(link->fd, buffer, bytes, flags);
    if (n > 0) {
        atomic_fetch_add_explicit(&link->received, (uint64_t)n,
                                  memory_order_relaxed);
        return n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n == 0) {
        error_set(error, ERROR_PEER_GONE,
                  "the other end closed the connection");
    } else {
        error_set_errno(error, errno, "read from the peer");
    }
    return -1;
}

static ssize_t
receive_tls(WireLink *link, void *buffer, size_t bytes, GError **error)
{
    ssize_t n = wire_tls_read_some(link->tls, buffer, bytes, error);
    if (n > 0) {
        atomic_fetch_add_explicit(&link->received, (uint64_t)n,
                                  memory_order_relaxed);
    }
    return n;
}

ssize_t
wire_link_read_some(WireLink *link, void *buffer, size_t bytes, GError **error)
{
    return link->tls ? receive_tls(link, buffer, bytes, error)
                     : link_receive(link, buffer, bytes, MSG_DONTWAIT, error);
}

ssize_t
wire_link_read_next(WireLink *link, void *buffer, size_t bytes, GError **error)
{
    if (!link->tls) {
        return link_receive(link, buffer, bytes, 0, error);
    }
    return wait_readable(link, 0, error)
               ? receive_tls(link, buffer, bytes, error)
               : -1;
}

static bool
write_by(WireLink *link, const void *buffer, size_t bytes,
         uint64_t deadline_ns, GError **error)
{
    if (!(link->tls ? wire_tls_write(link->tls, buffer, bytes, false,
                                     deadline_ns, error)
                    : fd_write_all(link->fd, buffer, bytes, deadline_ns,
                                   error))) {
        return false;
    }
    atomic_fetch_add_explicit(&link->sent, bytes, memory_order_relaxed);
    return true;
}

bool
wire_link_write(WireLink *link, const void *buffer, size_t bytes,
                GError **error)
{
    return write_by(link, buffer, bytes, 0, error);
}

static bool
write_plain_more(WireLink *link, const void *buffer, size_t bytes,
                 GError **error)
{
    const uint8_t *at = buffer;
    size_t left = bytes;
    while (left > 0) {
        ssize_t n = send(link->fd, at, left, MSG_MORE | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "write to the peer");
        }
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return true;
}

bool
wire_link_write_more(WireLink *link, const void *buffer, size_t bytes,
                     GError **error)
{
    if (!(link->tls ? wire_tls_write(link->tls, buffer, bytes, true, 0, error)
                    : write_plain_more(link, buffer, bytes, error))) {
        return false;
    }
    atomic_fetch_add_explicit(&link->sent, bytes, memory_order_relaxed);
    return true;
}

static bool
copy_file(WireLink *link, int file, uint64_t offset, size_t bytes,
          GError **error)
{
    g_autofree uint8_t *buffer = g_malloc(COPY_BYTES);
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(file, buffer, MIN(bytes - done, COPY_BYTES),
                          (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "read the RAM file");
        }
        if (n == 0) {
            return error_set(error, ERROR_FAILED,
                             "the RAM file ended %zu bytes early",
                             bytes - done);
        }
        if (n > 0 && !wire_link_write(link, buffer, (size_t)n, error)) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool
wire_link_send_file(WireLink *link, int file, uint64_t offset, size_t bytes,
                    GError **error)
{
    if (link->tls) {
        return copy_file(link, file, offset, bytes, error);
    }
    off_t at = (off_t)offset;
    size_t left = bytes;
    while (left > 0) {
        ssize_t n = sendfile(link->fd, file, &at, left);
        if (n == 0) {
            return error_set(error, ERROR_FAILED,
                             "the RAM file ended %zu bytes early", left);
        }
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "sendfile to the peer");
        }
        left -= n > 0 ? (size_t)n : 0;
    }
    atomic_fetch_add_explicit(&link->sent, bytes, memory_order_relaxed);
    return true;
}

void
wire_link_shutdown(WireLink *link)
{
    shutdown(link->fd, SHUT_RDWR);
}

void
wire_link_shutdown_write(WireLink *link)
{
    if (link->tls) {
        wire_tls_end(link->tls);
    }
    shutdown(link->fd, SHUT_WR);
}

void
wire_link_keep_short(WireLink *link, unsigned unsent_bytes)
{
    setsockopt(link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes,
               sizeof unsent_bytes);
}

uint64_t
wire_link_bytes_received(const WireLink *link)
{
    return link ? atomic_load_explicit(&link->received, memory_order_relaxed)
                : 0;
}

uint64_t
wire_link_bytes_sent(const WireLink *link)
{
    return link ? atomic_load_explicit(&link->sent, memory_order_relaxed) : 0;
}

bool
wire_link_send_frame(WireLink *link, unsigned type, const GByteArray *payload,
                     GError **error)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    WireFrameHeader header;
    wire_frame_header_encode(type, payload ? payload->len : 0, &header);
    g_byte_array_append(whole, (const uint8_t *)&header, sizeof header);
    if (payload) {
        g_byte_array_append(whole, payload->data, payload->len);
    }
    GError *why = NULL;
    int stall_ms = link->patience_ms * STALL_PATIENCES;
    if (write_by(link, whole->data, whole->len,
                 fd_deadline_ns(stall_ms), &why)) {
        return true;
    }
    if (error_is(why, ERROR_RETRY)) {
        g_clear_error(&why);
        wire_link_shutdown(link); /* half a frame may be out */
        return error_set(error, ERROR_PEER_GONE,
                         "sending %s: the peer has taken nothing for %.1f s",
                         wire_frame_name(type), stall_ms / 1000.0);
    }
    g_propagate_prefixed_error(error, why, "sending %s: ",
                               wire_frame_name(type));
    return false;
}


bool
wire_link_receive_frame(WireLink *link, unsigned *type, GByteArray **payload,
                        GError **error)
{
    WireFrameHeader header;
    size_t length;
    if (!wait_readable(link, 0, error) ||
        !read_in_time(link, &header, sizeof header, ERROR_PEER_GONE, error) ||
        !wire_frame_header_decode(&header, type, &length, error)) {
        return false;
    }
    g_autoptr(GByteArray) body = g_byte_array_sized_new((guint)length);
    g_byte_array_set_size(body, (guint)length);
    if (length > 0 && !read_in_time(link, body->data, length, ERROR_PEER_GONE,
                                    error)) {
        g_prefix_error(error, "a truncated %s frame: ", wire_frame_name(*type));
        return false;
    }
    *payload = g_steal_pointer(&body);
    return true;
}
