/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What can be had of a TLS listener without credentials: so many bytes read,
 * so many seconds, and no more; and the right one comes in beside them.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/tls-certs.h"
#include "tests/support/wire-peer.h"
#include "tests/unit/tls-scene.h"
#include "wire/wire-porch.h"
#include "wire/wire-tls.h"

#define KEY "qemu:00112233445566778899aabbccddeeff"

static TlsCerts *certs;

typedef struct {
    WireTlsCreds *creds;
    int listener;
    unsigned port;
    WirePorch *porch;
} Scene;

static WireTlsCreds *
load(bool listens)
{
    return wire_tls_creds_psk(listens, tls_certs_file(certs, KEY), NULL, NULL);
}

static void
scene_open(Scene *s, int patience_ms)
{
    s->creds = load(true);
    g_assert_nonnull(s->creds);
    s->listener = wire_peer_listen(&s->port);
    s->porch = wire_porch_open(s->listener, s->creds, patience_ms, NULL);
}

static void
scene_clear(Scene *s)
{
    g_clear_pointer(&s->porch, wire_porch_close);
    fd_clear(&s->listener);
    g_clear_pointer(&s->creds, wire_tls_creds_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

/* The head of a handshake record with BYTES in it. */
static void
say_record(int fd, unsigned bytes, const uint8_t *payload)
{
    uint8_t record[64] = {WIRE_TLS_FIRST_BYTE, 3, 1, 0, (uint8_t)bytes};
    memcpy(record + 5, payload, bytes);
    wire_peer_write(fd, record, 5 + bytes);
}

static bool
is_closed(int fd, int timeout_ms)
{
    char bytes[256];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0 &&
           recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0;
}

/* A ClientHello that says it has nearly as many bytes as are allowed, a byte
 * to a record: with the records' heads it is six times that. */
static void
too_many_bytes(void)
{
    g_auto(Scene) s = {0};
    scene_open(&s, 30000);
    g_test_expect_message("wire", G_LOG_LEVEL_WARNING,
                          "*more than 65536 bytes without proving*");
    autofd fd = wire_peer_dial(s.port);
    say_record(fd, 4, (const uint8_t[]){1, 0, 0xfe, 0});
    unsigned sent = 9;
    while (sent < 8 * WIRE_TLS_HANDSHAKE_BYTES && !is_closed(fd, 0)) {
        say_record(fd, 1, (const uint8_t[]){0});
        sent += 6;
    }
    g_assert_true(is_closed(fd, 10000) || is_closed(fd, 10000));
    scene_clear(&s);
    g_test_assert_expected_messages();
}

/* The same, but slowly: time is what ends it. */
static void
too_slow(void)
{
    g_auto(Scene) s = {0};
    scene_open(&s, 700);
    g_test_expect_message("wire", G_LOG_LEVEL_WARNING,
                          "*did not end its TLS handshake in time*");
    autofd fd = wire_peer_dial(s.port);
    say_record(fd, 4, (const uint8_t[]){1, 0, 2, 0});
    unsigned turns = 0;
    while (turns < 600 && !is_closed(fd, 50)) {
        wire_peer_write(fd, &(uint8_t[]){0x16, 3, 1, 0, 1, 0}[turns % 6], 1);
        turns++;
    }
    g_assert_cmpuint(turns, <, 600);
    scene_clear(&s);
    g_test_assert_expected_messages();
}

static gpointer
dial(gpointer data)
{
    Scene *s = data;
    g_autoptr(GError) error = NULL;
    uint8_t session[WIRE_SESSION_BYTES] = {0};
    g_autofree char *text = g_strdup_printf("127.0.0.1:%u", s->port);
    g_autoptr(WireAddress) address = wire_address_parse(text, NULL);
    wire_address_protect(address, load(false));
    g_autoptr(WireLink) link =
        wire_link_dial(address, WIRE_ROLE_CONTROL, 0, session, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(session[3], ==, 9);
    return NULL;
}

/* The right one beside silent ones, half-said ones and one who is rude. */
static void
beside_strangers(void)
{
    g_auto(Scene) s = {0};
    int fds[9];
    scene_open(&s, 30000);
    g_test_expect_message("wire", G_LOG_LEVEL_WARNING, "refused a *");
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = wire_peer_dial(s.port);
        if (i % 3 == 1) {
            say_record(fds[i], 4, (const uint8_t[]){1, 0, 2, 0});
        }
    }
    wire_peer_text(fds[8], "GET / HTTP/1.1\r\n\r\n");
    GThread *right = g_thread_new("right", dial, &s);
    struct pollfd p = {.fd = wire_porch_fd(s.porch), .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
    WireHello hello;
    uint8_t session[WIRE_SESSION_BYTES] = {[3] = 9};
    g_autoptr(WireLink) link = wire_porch_take(s.porch, &hello);
    g_assert_nonnull(link);
    g_assert_true(wire_link_welcome(link, &hello, session, NULL));
    g_thread_join(right);
    g_clear_pointer(&link, wire_link_free);
    g_assert_true(is_closed(fds[8], 5000) || is_closed(fds[8], 5000));
    scene_clear(&s);
    g_test_assert_expected_messages();
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        close(fds[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    certs = tls_certs_new();
    g_test_add_func("/strangers/bytes", too_many_bytes);
    g_test_add_func("/strangers/seconds", too_slow);
    g_test_add_func("/strangers/beside", beside_strangers);
    int status = g_test_run();
    tls_certs_free(certs);
    return status;
}
