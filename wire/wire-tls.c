/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS over a socket: see wire-tls.h.
 *
 * The ciphertext is read ahead, many records by one recv(). That cannot hide a
 * byte from a reader who polls: GnuTLS says "again" only after tls_pull() has
 * found both our buffer and the socket empty, and until then has_pending() is
 * true.
 *
 * What GnuTLS writes goes to memory and from there to the socket, so that it
 * never has to say "again" in the middle of a record: a caller would have to
 * come back with the same bytes, and if the peer's request for new keys were
 * read meanwhile, GnuTLS (3.7.9, lib/record.c) would send them twice.
 */
#include "wire/wire-tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

#define READ_AHEAD_BYTES (128u * 1024)
#define RECORD_BYTES (16u * 1024)      /* the most that one may hold */
#define WRITE_AT_ONCE_BYTES (4 * RECORD_BYTES)

struct WireTls {
    gnutls_session_t session;
    const WireTlsCreds *creds;
    int fd;
    bool listens;
    pthread_mutex_t lock; /* not GMutex: the thread sanitizer sees it */
    bool greeting;
    size_t budget; /* bytes that the peer may still send while greeting */
    int read_errno;
    uint8_t first; /* byte of all that the peer sent */
    GByteArray *out;     /* from GnuTLS; under the lock */
    GByteArray *leaving; /* on its way to the socket; the writer's own */
    size_t at, held;
    uint8_t ahead[READ_AHEAD_BYTES];
};

/* What may be asked of the socket: while greeting no more than the peer may
 * send by then. */
static size_t
tls_room(const WireTls *tls)
{
    return tls->greeting ? MIN(tls->budget, sizeof tls->ahead)
                         : sizeof tls->ahead;
}

static ssize_t
read_ahead(WireTls *tls)
{
    if (tls_room(tls) == 0) {
        errno = EMSGSIZE;
        return -1;
    }
    ssize_t n = recv(tls->fd, tls->ahead, tls_room(tls), MSG_DONTWAIT);
    if (n > 0) {
        if (tls->greeting && tls->budget == WIRE_TLS_HANDSHAKE_BYTES) {
            tls->first = tls->ahead[0];
        }
        tls->budget -= tls->greeting ? (size_t)n : 0;
        tls->at = 0;
        tls->held = (size_t)n;
    }
    return n;
}

static ssize_t
tls_pull(gnutls_transport_ptr_t data, void *buffer, size_t bytes)
{
    WireTls *tls = data;
    if (tls->at == tls->held) {
        ssize_t n = read_ahead(tls);
        if (n <= 0) {
            tls->read_errno = n < 0 ? errno : 0;
            gnutls_transport_set_errno(tls->session, tls->read_errno);
            return n;
        }
    }
    size_t n = MIN(bytes, tls->held - tls->at);
    memcpy(buffer, tls->ahead + tls->at, n);
    tls->at += n;
    return (ssize_t)n;
}

static ssize_t
tls_push(gnutls_transport_ptr_t data, const void *buffer, size_t bytes)
{
    WireTls *tls = data;
    g_byte_array_append(tls->out, buffer, (guint)bytes);
    return (ssize_t)bytes;
}

/* MSG_MORE and a deadline do not occur together. */
static bool
tls_flush(WireTls *tls, bool more, uint64_t deadline_ns, GError **error)
{
    pthread_mutex_lock(&tls->lock);
    GByteArray *full = tls->out;
    tls->out = tls->leaving;
    tls->leaving = full;
    g_byte_array_set_size(tls->out, 0);
    pthread_mutex_unlock(&tls->lock);
    if (!more) {
        return fd_write_all(tls->fd, full->data, full->len, deadline_ns,
                            error);
    }
    for (guint at = 0; at < full->len;) {
        ssize_t n = send(tls->fd, full->data + at, full->len - at,
                         MSG_MORE | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "write to the peer");
        }
        at += n > 0 ? (guint)n : 0;
    }
    return true;
}

static bool
has_ahead(const WireTls *tls)
{
    return tls->at < tls->held;
}

/* The other side's last word. In TLS 1.3 a dialler has ended its handshake
 * before the listener has looked at its certificate, so this may come with the
 * first read. */
static bool
explain_alert(WireTls *tls, GError **error)
{
    gnutls_alert_description_t alert = gnutls_alert_get(tls->session);
    if (alert == GNUTLS_A_PROTOCOL_VERSION) {
        return error_set(error, ERROR_PROTOCOL,
                         "the other side does not speak TLS 1.3");
    }
    bool credentials = (alert >= GNUTLS_A_HANDSHAKE_FAILURE &&
                        alert <= GNUTLS_A_DECRYPT_ERROR) ||
                       alert >= GNUTLS_A_UNKNOWN_PSK_IDENTITY;
    return error_set(error, ERROR_PROTOCOL,
                     "the other side %s (TLS alert: %s)%s",
                     credentials ? "refused our credentials"
                                 : "ended the connection",
                     gnutls_alert_get_name(alert),
                     credentials ? ": both need --tls-creds of one authority, "
                                   "or --tls-psk with one key; its log says "
                                   "more"
                                 : "");
}

static bool
explain_certificate(WireTls *tls, GError **error)
{
    gnutls_datum_t text = {0};
    unsigned status = gnutls_session_get_verify_cert_status(tls->session);
    if (gnutls_certificate_verification_status_print(
            status, GNUTLS_CRT_X509, &text, 0) < 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "the other side's certificate is not valid");
    }
    g_autofree char *name = wire_tls_creds_peer_name(tls->session);
    error_set(error, ERROR_PROTOCOL,
              "the certificate of '%s' is refused: %s%s",
              name ? name : "(no name)", g_strchomp((char *)text.data),
              status & GNUTLS_CERT_UNEXPECTED_OWNER
                  ? " If its name is another than the one dialled, give it by "
                    "--tls-hostname."
                  : "");
    gnutls_free(text.data);
    return false;
}

static const struct {
    int code;
    const char *text;
} words[] = {
    {GNUTLS_E_NO_CERTIFICATE_FOUND, "the other side has shown no certificate"},
    {GNUTLS_E_CERTIFICATE_REQUIRED, "the other side has shown no certificate"},
    {GNUTLS_E_UNSUPPORTED_VERSION_PACKET,
     "the other side does not speak TLS 1.3"},
    {GNUTLS_E_NO_CIPHER_SUITES,
     "the other side does not speak TLS 1.3 with AES-GCM or ChaCha20"},
    {GNUTLS_E_INSUFFICIENT_CREDENTIALS,
     "one side has a pre-shared key, the other certificates: start both with "
     "--tls-psk, or both with --tls or --tls-creds"},
};

/* What only the greeting can go wrong with. False if CODE is nothing such. */
static bool
explain_greeting(WireTls *tls, int code, GError **error)
{
    if (tls->read_errno == EMSGSIZE) {
        error_set(error, ERROR_PROTOCOL,
                  "the other side said more than %u bytes without proving who "
                  "it is", WIRE_TLS_HANDSHAKE_BYTES);
    } else if (code == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER &&
               strcmp(wire_tls_creds_kind(tls->creds), "psk") == 0) {
        error_set(error, ERROR_PROTOCOL,
                  "the other side's pre-shared key, or its user, is not ours");
    } else if (tls->first == 'P') {
        error_set(error, ERROR_PROTOCOL,
                  "the other side speaks plain text: start both with the same "
                  "TLS options, or neither");
    } else {
        return false;
    }
    return true;
}

/* What CODE, fatal, of GnuTLS means to the operator. */
static bool
tls_explain(WireTls *tls, int code, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (words[i].code == code) {
            return error_set(error, ERROR_PROTOCOL, "%s", words[i].text);
        }
    }
    if (tls->greeting && explain_greeting(tls, code, error)) {
        return false;
    }
    switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return explain_alert(tls, error);
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
    case GNUTLS_E_CERTIFICATE_ERROR:
        return explain_certificate(tls, error);
    case GNUTLS_E_PREMATURE_TERMINATION:
        return error_set(error, ERROR_PEER_GONE,
                         "the other end closed the connection%s",
                         tls->greeting ? " in the TLS handshake" : "");
    case GNUTLS_E_INVALID_SESSION: /* after the end, or an error */
    case GNUTLS_E_SESSION_EOF:
        return error_set(error, ERROR_PEER_GONE, "the connection has ended");
    case GNUTLS_E_PULL_ERROR:
        return error_set_errno(error, tls->read_errno, "read from the peer");
    default:
        return error_set(error, ERROR_PROTOCOL, "TLS: %s",
                         gnutls_strerror(code));
    }
}

/* False if DEADLINE_NS has passed. */
static bool
wait_for_peer(WireTls *tls, uint64_t deadline_ns, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (fd_wait(tls->fd, POLLIN, deadline_ns, &why) &&
        fd_now_ns() < deadline_ns) {
        return true;
    }
    if (why && !error_is(why, ERROR_RETRY)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return error_set(error, ERROR_PEER_GONE,
                     "the other side did not end its TLS handshake in time");
}

/* The clock is read in every turn: a peer that sends a byte a second always
 * has something to be read. */
static bool
shake_hands(WireTls *tls, uint64_t deadline_ns, GError **error)
{
    for (;;) {
        int code = gnutls_handshake(tls->session);
        if (code < 0 && gnutls_error_is_fatal(code)) {
            gnutls_alert_send_appropriate(tls->session, code);
            tls_flush(tls, false, deadline_ns, NULL);
            return tls_explain(tls, code, error);
        }
        if (!tls_flush(tls, false, deadline_ns, error)) {
            return false;
        }
        if (code == GNUTLS_E_SUCCESS) {
            return true;
        }
        /* Whatever else it is, each turn takes some of a bounded number of
         * bytes. */
        if (!has_ahead(tls) && !wait_for_peer(tls, deadline_ns, error)) {
            return false;
        }
    }
}

/* No session tickets: nothing of ours is resumed, and a ticket would be one
 * more message after the handshake. A dialler shows its certificate also to a
 * listener that asks for another authority's, which then can say what is
 * wrong with it; by then it has proved who it is. */
static WireTls *
tls_start(int fd, const WireTlsCreds *creds, unsigned side,
          uint64_t deadline_ns, GError **error)
{
    g_autoptr(WireTls) tls = g_new0(WireTls, 1);
    pthread_mutex_init(&tls->lock, NULL);
    tls->fd = fd;
    tls->creds = creds;
    tls->listens = side == GNUTLS_SERVER;
    tls->greeting = true;
    tls->budget = WIRE_TLS_HANDSHAKE_BYTES;
    tls->out = g_byte_array_sized_new(WRITE_AT_ONCE_BYTES + 4096);
    tls->leaving = g_byte_array_sized_new(WRITE_AT_ONCE_BYTES + 4096);
    int code = gnutls_init(&tls->session,
                           side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
                               GNUTLS_NO_TICKETS | GNUTLS_FORCE_CLIENT_CERT);
    if (code < 0) {
        error_set(error, ERROR_FAILED, "TLS: %s", gnutls_strerror(code));
        return NULL;
    }
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_pull_function(tls->session, tls_pull);
    gnutls_transport_set_push_function(tls->session, tls_push);
    gnutls_handshake_set_max_packet_length(tls->session,
                                           WIRE_TLS_HANDSHAKE_BYTES);
    gnutls_handshake_set_timeout(tls->session, 0); /* the deadline is ours */
    if (!wire_tls_creds_equip(creds, tls->session, error) ||
        !shake_hands(tls, deadline_ns, error)) {
        return NULL;
    }
    if (!wire_tls_creds_accepts(creds, tls->session, error)) {
        gnutls_alert_send(tls->session, GNUTLS_AL_FATAL,
                          GNUTLS_A_ACCESS_DENIED);
        tls_flush(tls, false, deadline_ns, NULL);
        return NULL;
    }
    tls->greeting = false;
    return g_steal_pointer(&tls);
}

WireTls *
wire_tls_accept(int fd, const WireTlsCreds *creds, uint64_t deadline_ns,
                GError **error)
{
    return tls_start(fd, creds, GNUTLS_SERVER, deadline_ns, error);
}

WireTls *
wire_tls_dial(int fd, const WireTlsCreds *creds, uint64_t deadline_ns,
              GError **error)
{
    return tls_start(fd, creds, GNUTLS_CLIENT, deadline_ns, error);
}

void
wire_tls_free(WireTls *tls)
{
    if (tls->session) {
        gnutls_deinit(tls->session);
    }
    g_byte_array_unref(tls->out);
    g_byte_array_unref(tls->leaving);
    pthread_mutex_destroy(&tls->lock);
    g_free(tls);
}

bool
wire_tls_has_pending(WireTls *tls)
{
    pthread_mutex_lock(&tls->lock);
    bool pending = gnutls_record_check_pending(tls->session) > 0 ||
                   has_ahead(tls);
    pthread_mutex_unlock(&tls->lock);
    return pending;
}

/* A record that is no data (a key update, a warning) makes GnuTLS say "again"
 * although more may be in our buffer. */
static ssize_t
tls_receive(WireTls *tls, void *buffer, size_t bytes)
{
    ssize_t n;
    do {
        n = gnutls_record_recv(tls->session, buffer, bytes);
    } while (n < 0 && !gnutls_error_is_fatal((int)n) && has_ahead(tls));
    return n;
}

ssize_t
wire_tls_read_some(WireTls *tls, void *buffer, size_t bytes, GError **error)
{
    pthread_mutex_lock(&tls->lock);
    ssize_t n = tls_receive(tls, buffer, bytes);
    if (n == 0) {
        error_set(error, ERROR_PEER_GONE,
                  "the other end closed the connection");
        n = -1;
    } else if (n < 0 && !gnutls_error_is_fatal((int)n)) {
        n = 0;
    } else if (n < 0) {
        tls_explain(tls, (int)n, error);
        n = -1;
    }
    pthread_mutex_unlock(&tls->lock);
    return n;
}

bool
wire_tls_read(WireTls *tls, void *buffer, size_t bytes, uint64_t deadline_ns,
              GError **error)
{
    uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = wire_tls_read_some(tls, at, bytes, error);
        if (n < 0) {
            return false;
        }
        if (n == 0 && !fd_wait(tls->fd, POLLIN, deadline_ns, error)) {
            return false;
        }
        if (deadline_ns && n < (ssize_t)bytes && fd_now_ns() >= deadline_ns) {
            return error_set(error, ERROR_RETRY, "timed out");
        }
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* Makes records of the first of BYTES, as many as go to the socket at once;
 * returns how many bytes that were, -1 with ERROR. */
static ssize_t
tls_seal(WireTls *tls, const uint8_t *bytes, size_t n, GError **error)
{
    size_t done = 0;
    ssize_t code = 0;
    pthread_mutex_lock(&tls->lock);
    while (code >= 0 && done < MIN(n, WRITE_AT_ONCE_BYTES)) {
        code = gnutls_record_send(tls->session, bytes + done,
                                  MIN(n - done, RECORD_BYTES));
        done += code > 0 ? (size_t)code : 0;
    }
    if (code < 0) {
        tls_explain(tls, (int)code, error);
    }
    pthread_mutex_unlock(&tls->lock);
    return code < 0 ? -1 : (ssize_t)done;
}

bool
wire_tls_write(WireTls *tls, const void *buffer, size_t bytes, bool more,
               uint64_t deadline_ns, GError **error)
{
    const uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = tls_seal(tls, at, bytes, error);
        bool hold = deadline_ns == 0 && (more || (size_t)n < bytes);
        if (n < 0 || !tls_flush(tls, hold, deadline_ns, error)) {
            return false;
        }
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

void
wire_tls_end(WireTls *tls)
{
    pthread_mutex_lock(&tls->lock);
    gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    pthread_mutex_unlock(&tls->lock);
    tls_flush(tls, false, fd_now_ns() + 1, NULL);
}

char *
wire_tls_describe(WireTls *tls)
{
    pthread_mutex_lock(&tls->lock);
    g_autofree char *name = wire_tls_creds_peer_name(tls->session);
    char *text = g_strdup_printf(
        "TLS 1.3 (%s, %s)%s%s", wire_tls_creds_kind(tls->creds),
        gnutls_cipher_get_name(gnutls_cipher_get(tls->session)),
        name ? " with " : "", name ? name : "");
    pthread_mutex_unlock(&tls->lock);
    return text;
}
