/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes over TLS arrive as over a plain link: whole, in order, both ways at a
 * time, also while the keys change; what has been read ahead is not forgotten
 * by who polls; and shutdown() ends whoever waits.
 */
#include "wire/wire-tls.h"

#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/tls-certs.h"
#include "tests/unit/tls-scene.h"

#define KEY "00112233445566778899aabbccddeeff"
#define FLOW_BYTES (24u << 20)

static TlsCerts *certs;

static WireTlsCreds *
creds(bool listens)
{
    g_autoptr(GError) error = NULL;
    WireTlsCreds *made = wire_tls_creds_psk(
        listens, tls_certs_file(certs, "qemu:" KEY), NULL, &error);
    g_assert_no_error(error);
    return made;
}

static void
connect_both(TlsScene *scene)
{
    tls_scene_greet(scene, creds(true), creds(false));
    g_assert_no_error(scene->accepted);
    g_assert_no_error(scene->dialled);
}

static bool
is_readable(WireLink *link, int timeout_ms)
{
    struct pollfd p = {.fd = wire_link_fd(link), .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

static void
frames_and_files(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) payload = NULL;
    unsigned type;
    char bytes[9] = "";
    uint64_t before = wire_link_bytes_sent(s.listener);
    autofd file = memfd_create("sent", MFD_CLOEXEC);
    g_assert_cmpint(write(file, "0123456789", 10), ==, 10);
    g_assert_true(wire_link_send_frame(s.dialler, WIRE_FRAME_ARMED, NULL,
                                       &error));
    g_assert_true(wire_link_receive_frame(s.listener, &type, &payload,
                                          &error));
    g_assert_cmpuint(type, ==, WIRE_FRAME_ARMED);
    g_assert_true(wire_link_write_more(s.listener, "x", 1, &error));
    g_assert_true(wire_link_send_file(s.listener, file, 1, 7, &error));
    g_assert_true(wire_link_read(s.dialler, bytes, 8, &error));
    g_assert_cmpstr(bytes, ==, "x1234567");
    g_assert_cmpuint(wire_link_bytes_sent(s.listener) - before, ==, 8);
    g_autoptr(GError) early = NULL;
    g_assert_false(wire_link_send_file(s.listener, file, 8, 8, &early));
    tls_scene_assert_says(early, "6 bytes early");
}

/* One record holds both halves; after the first the socket is empty, and only
 * has_pending() knows of the second. */
static void
what_is_pending(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL;
    char bytes[8] = "";
    g_assert_false(wire_link_has_pending(s.listener));
    g_assert_cmpint(wire_link_read_some(s.listener, bytes, 4, &error), ==, 0);
    g_assert_no_error(error);
    g_assert_true(wire_link_write(s.dialler, "abcdefg", 7, &error));
    g_assert_true(is_readable(s.listener, 5000));
    g_assert_cmpint(wire_link_read_some(s.listener, bytes, 4, &error), ==, 4);
    g_assert_false(is_readable(s.listener, 0));
    g_assert_true(wire_link_has_pending(s.listener));
    g_assert_cmpint(wire_link_read_next(s.listener, bytes + 4, 4, &error), ==,
                    3);
    g_assert_cmpstr(bytes, ==, "abcdefg");
    g_assert_false(wire_link_has_pending(s.listener));
}

/* The same over records: many small ones, taken from the socket at once. */
static void
records_read_ahead(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL;
    for (unsigned char i = 0; i < 100; i++) {
        g_assert_true(wire_link_write(s.dialler, &i, 1, &error));
    }
    for (unsigned char i = 0, got; i < 100; i++) {
        if (!wire_link_has_pending(s.listener)) {
            g_assert_true(is_readable(s.listener, 5000));
        }
        g_assert_cmpint(wire_link_read_some(s.listener, &got, 1, &error), ==,
                        1);
        g_assert_cmpuint(got, ==, i);
    }
    g_assert_false(wire_link_has_pending(s.listener));
}

static uint8_t
byte_at(uint64_t position, uint8_t seed)
{
    return (uint8_t)(position * 2654435761u >> 11) ^ seed;
}

typedef struct {
    WireLink *link;
    uint8_t seed;
} Flow;

static gpointer
pour(gpointer data)
{
    Flow *flow = data;
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *buffer = g_malloc(1 << 20);
    uint64_t done = 0;
    for (unsigned turn = 1; done < FLOW_BYTES; turn++) {
        size_t n = MIN(FLOW_BYTES - done, (turn * 7919u) % (1 << 20) + 1);
        for (size_t i = 0; i < n; i++) {
            buffer[i] = byte_at(done + i, flow->seed);
        }
        g_assert_true(wire_link_write(flow->link, buffer, n, &error));
        done += n;
    }
    return NULL;
}

static gpointer
drink(gpointer data)
{
    Flow *flow = data;
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *buffer = g_malloc(1 << 16);
    uint64_t done = 0;
    for (unsigned turn = 1; done < FLOW_BYTES; turn++) {
        size_t n = MIN(FLOW_BYTES - done, (turn * 104729u) % (1 << 16) + 1);
        if (!wire_link_read(flow->link, buffer, n, &error)) {
            g_error("after %" G_GUINT64_FORMAT " bytes: %s", done,
                    error->message);
        }
        for (size_t i = 0; i < n; i++) {
            g_assert_cmpuint(buffer[i], ==, byte_at(done + i, flow->seed));
        }
        done += n;
    }
    return NULL;
}

/* Each link is written by one thread and read by another, and both directions
 * are full: who held a lock while waiting for room would stop all four. */
static void
both_ways_at_a_time(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    Flow flows[] = {{s.listener, 1}, {s.dialler, 1},
                    {s.dialler, 2}, {s.listener, 2}};
    GThread *threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = g_thread_new("flow", i % 2 ? drink : pour, &flows[i]);
    }
    for (int i = 0; i < 4; i++) {
        g_thread_join(threads[i]);
    }
}

/* A peer of GnuTLS's own making that asks for new keys all the time: with each
 * the link has to change both directions, in the middle of two full ones. */
typedef struct {
    gnutls_session_t session;
    gnutls_psk_client_credentials_t creds;
    int fd;
} Peer;

static void
peer_connect(Peer *peer, int fd)
{
    gnutls_datum_t key = {(unsigned char *)KEY, strlen(KEY)};
    *peer = (Peer){.fd = fd};
    gnutls_psk_allocate_client_credentials(&peer->creds);
    gnutls_psk_set_client_credentials(peer->creds, "qemu", &key,
                                      GNUTLS_PSK_KEY_HEX);
    gnutls_init(&peer->session, GNUTLS_CLIENT);
    gnutls_priority_set_direct(
        peer->session,
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK", NULL);
    gnutls_credentials_set(peer->session, GNUTLS_CRD_PSK, peer->creds);
    gnutls_transport_set_int(peer->session, fd);
    g_assert_cmpint(gnutls_handshake(peer->session), ==, 0);
    WireHello hello = {.version = WIRE_VERSION,
                       .lowest = WIRE_LOWEST_VERSION,
                       .role = WIRE_ROLE_URGENT};
    WireHelloBytes bytes;
    wire_hello_encode(&hello, &bytes);
    g_assert_cmpint(gnutls_record_send(peer->session, &bytes, sizeof bytes),
                    ==, sizeof bytes);
    WireWelcomeBytes welcome;
    g_assert_cmpint(gnutls_record_recv(peer->session, &welcome,
                                       sizeof welcome),
                    ==, sizeof welcome);
}

static void
peer_clear(Peer *peer)
{
    gnutls_deinit(peer->session);
    gnutls_psk_free_client_credentials(peer->creds);
    fd_clear(&peer->fd);
}

/* One thread of the peer does all: it sends a piece with new keys, and takes a
 * piece. Few enough at a time (GnuTLS allows 8 updates a second). */
static void
peer_talks(Peer *peer, unsigned updates)
{
    uint8_t piece[4096], back[4096];
    uint64_t out = 0, in = 0;
    for (unsigned i = 0; in < FLOW_BYTES; i++) {
        if (i % 512 == 0 && updates > 0) {
            g_assert_cmpint(gnutls_session_key_update(peer->session,
                                                      GNUTLS_KU_PEER),
                            ==, 0);
            updates--;
        }
        for (size_t k = 0; k < sizeof piece; k++) {
            piece[k] = byte_at(out + k, 1);
        }
        g_assert_cmpint(gnutls_record_send(peer->session, piece,
                                           sizeof piece), ==, sizeof piece);
        out += sizeof piece;
        for (size_t got = 0; got < sizeof back;) {
            ssize_t n = gnutls_record_recv(peer->session, back + got,
                                           sizeof back - got);
            g_assert_true(n > 0 || n == GNUTLS_E_AGAIN);
            for (ssize_t k = 0; k < n; k++) {
                g_assert_cmpuint(back[got + (size_t)k], ==,
                                 byte_at(in + (uint64_t)k, 2));
            }
            got += n > 0 ? (size_t)n : 0;
            in += n > 0 ? (uint64_t)n : 0;
        }
    }
    g_assert_cmpuint(updates, ==, 0);
}

static void
new_keys_under_way(void)
{
    TlsScene s;
    Peer peer;
    GThread *host, *threads[2];
    int fd = tls_scene_await(&s, creds(true), &host);
    peer_connect(&peer, fd);
    g_thread_join(host);
    g_assert_no_error(s.accepted);
    Flow out = {s.listener, 2}, in = {s.listener, 1};
    threads[0] = g_thread_new("pour", pour, &out);
    threads[1] = g_thread_new("drink", drink, &in);
    peer_talks(&peer, 7);
    g_thread_join(threads[0]);
    g_thread_join(threads[1]);
    tls_scene_clear(&s);
    peer_clear(&peer);
}

/* A key update in the buffer behind which data already lies: whoever polled
 * now would wait for ever. */
static void
data_behind_a_key_update(void)
{
    TlsScene s;
    Peer peer;
    GThread *host;
    char byte = 0;
    g_autoptr(GError) error = NULL;
    int fd = tls_scene_await(&s, creds(true), &host);
    peer_connect(&peer, fd);
    g_thread_join(host);
    g_assert_cmpint(gnutls_session_key_update(peer.session, 0), ==, 0);
    g_assert_cmpint(gnutls_record_send(peer.session, "k", 1), ==, 1);
    g_usleep(50000);
    g_assert_cmpint(wire_link_read_some(s.listener, &byte, 1, &error), ==, 1);
    g_assert_cmpint(byte, ==, 'k');
    tls_scene_clear(&s);
    peer_clear(&peer);
}

static gpointer
shut_soon(gpointer data)
{
    g_usleep(20000);
    wire_link_shutdown(data);
    return NULL;
}

static void
shutdown_ends_a_read_that_waits(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL, next = NULL, written = NULL, other = NULL;
    char byte;
    GThread *thread = g_thread_new("shut", shut_soon, s.listener);
    g_assert_false(wire_link_read(s.listener, &byte, 1, &error));
    g_thread_join(thread);
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_cmpint(wire_link_read_next(s.listener, &byte, 1, &next), ==, -1);
    g_assert_true(error_is(next, ERROR_PEER_GONE));
    g_assert_false(wire_link_write(s.listener, "x", 1, &written));
    g_assert_true(error_is(written, ERROR_PEER_GONE));
    g_assert_false(wire_link_read(s.dialler, &byte, 1, &other));
    g_assert_true(error_is(other, ERROR_PEER_GONE));
}

static void
shutdown_ends_a_write_that_waits(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL;
    g_autofree char *much = g_malloc0(64 << 20);
    GThread *thread = g_thread_new("shut", shut_soon, s.dialler);
    g_assert_false(wire_link_write(s.dialler, much, 64 << 20, &error));
    g_thread_join(thread);
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
the_end_of_one_half(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL, end = NULL;
    char byte;
    wire_link_shutdown_write(s.listener);
    g_assert_false(wire_link_read(s.dialler, &byte, 1, &end));
    g_assert_true(error_is(end, ERROR_PEER_GONE));
    g_assert_true(wire_link_write(s.dialler, "y", 1, &error));
    g_assert_true(wire_link_read(s.listener, &byte, 1, &error));
    g_assert_cmpint(byte, ==, 'y');
}

static void
silence_in_mid_frame(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    WireFrameHeader header;
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) payload = NULL;
    unsigned type;
    wire_frame_header_encode(WIRE_FRAME_LAYOUT, 100, &header);
    wire_link_set_patience(s.listener, 50);
    g_assert_true(wire_link_write(s.dialler, &header, sizeof header, NULL));
    g_assert_false(wire_link_receive_frame(s.listener, &type, &payload,
                                           &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    tls_scene_assert_says(error, "fell silent");
}

static void
a_peer_that_takes_nothing(void)
{
    g_auto(TlsScene) s = {0};
    connect_both(&s);
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_byte_array_set_size(payload, 60000);
    memset(payload->data, 0, payload->len);
    wire_link_set_patience(s.dialler, 10);
    unsigned taken = 0;
    while (wire_link_send_frame(s.dialler, WIRE_FRAME_PRESENT, payload,
                                &error)) {
        g_assert_cmpuint(++taken, <, 10000); /* what the kernel holds */
    }
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    tls_scene_assert_says(error, "has taken nothing");
}

/* One flipped bit on the way: nothing of that record is believed. */
static void
changed_on_the_way(void)
{
    int ends[2];
    TlsScene s;
    GThread *host;
    Peer peer;
    char byte;
    g_autoptr(GError) error = NULL;
    int fd = tls_scene_await(&s, creds(true), &host);
    peer_connect(&peer, fd);
    g_thread_join(host);
    /* What the peer would send now, caught before it leaves. */
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    gnutls_transport_set_int(peer.session, ends[0]);
    g_assert_cmpint(gnutls_record_send(peer.session, "secret", 6), ==, 6);
    uint8_t record[128];
    ssize_t n = read(ends[1], record, sizeof record);
    g_assert_cmpint(n, >, 6);
    record[n - 1] ^= 1;
    g_assert_cmpint(write(fd, record, (size_t)n), ==, n);
    g_assert_false(wire_link_read(s.listener, &byte, 1, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    close(ends[0]);
    close(ends[1]);
    tls_scene_clear(&s);
    peer_clear(&peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    certs = tls_certs_new();
    g_test_add_func("/tls/frames", frames_and_files);
    g_test_add_func("/tls/stall", a_peer_that_takes_nothing);
    g_test_add_func("/tls/pending", what_is_pending);
    g_test_add_func("/tls/read-ahead", records_read_ahead);
    g_test_add_func("/tls/both-ways", both_ways_at_a_time);
    g_test_add_func("/tls/new-keys", new_keys_under_way);
    g_test_add_func("/tls/behind-new-keys", data_behind_a_key_update);
    g_test_add_func("/tls/shutdown/read", shutdown_ends_a_read_that_waits);
    g_test_add_func("/tls/shutdown/write", shutdown_ends_a_write_that_waits);
    g_test_add_func("/tls/end", the_end_of_one_half);
    g_test_add_func("/tls/silence", silence_in_mid_frame);
    g_test_add_func("/tls/changed", changed_on_the_way);
    int status = g_test_run();
    tls_certs_free(certs);
    return status;
}
