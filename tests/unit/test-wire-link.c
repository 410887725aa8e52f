/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One stream: frames whole or not at all, silence noticed, refusals with
 * their reason.
 */
#include "wire/wire-link.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

typedef struct {
    WireLink *a, *b;
} Pair;

static Pair
pair(void)
{
    int fds[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    return (Pair){wire_link_new(fds[0]), wire_link_new(fds[1])};
}

static void
pair_clear(Pair *p)
{
    g_clear_pointer(&p->a, wire_link_free);
    g_clear_pointer(&p->b, wire_link_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static gpointer
send_biggest(gpointer data)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_byte_array_set_size(payload, WIRE_MAX_FRAME_BYTES);
    memset(payload->data, 0x77, payload->len);
    g_assert_true(wire_link_send_frame(data, WIRE_FRAME_LAYOUT, payload,
                                       NULL));
    g_assert_true(wire_link_send_frame(data, WIRE_FRAME_ARMED, NULL, NULL));
    return NULL;
}

static void
frames(void)
{
    g_auto(Pair) p = pair();
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) big = NULL, empty = NULL;
    unsigned type = 0;
    GThread *sender = g_thread_new("sender", send_biggest, p.a);
    wire_link_receive_frame(p.b, &type, &big, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(type, ==, WIRE_FRAME_LAYOUT);
    g_assert_cmpuint(big->len, ==, WIRE_MAX_FRAME_BYTES);
    g_assert_cmpuint(big->data[WIRE_MAX_FRAME_BYTES - 1], ==, 0x77);
    wire_link_receive_frame(p.b, &type, &empty, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(type, ==, WIRE_FRAME_ARMED);
    g_assert_cmpuint(empty->len, ==, 0);
    g_thread_join(sender);
    g_assert_cmpuint(wire_link_bytes_sent(p.a), ==,
                     WIRE_MAX_FRAME_BYTES + 16);
    g_assert_cmpuint(wire_link_bytes_received(p.b), ==,
                     WIRE_MAX_FRAME_BYTES + 16);
}

/* Silence between frames is nobody's fault; within one it is. */
static void
silence_in_mid_frame(void)
{
    WireFrameHeader header;
    wire_frame_header_encode(WIRE_FRAME_LAYOUT, 100, &header);
    for (unsigned sent = 1; sent < sizeof header + 100; sent += 5) {
        g_auto(Pair) p = pair();
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) payload = NULL;
        uint8_t bytes[sizeof header + 100] = {0};
        unsigned type;
        memcpy(bytes, &header, sizeof header);
        wire_link_set_patience(p.b, 10);
        g_assert_true(wire_link_write(p.a, bytes, sent, NULL));
        g_assert_false(wire_link_receive_frame(p.b, &type, &payload, &error));
        g_assert_true(error_is(error, ERROR_PEER_GONE));
        g_assert_nonnull(strstr(error->message, "fell silent"));
        g_assert_null(payload);
    }
}

/* It is up, and takes nothing: its host has gone, or it reads no more. */
static void
a_peer_that_takes_nothing(void)
{
    g_auto(Pair) p = pair();
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_byte_array_set_size(payload, 60000);
    memset(payload->data, 0, payload->len);
    wire_link_set_patience(p.a, 10);
    unsigned taken = 0;
    while (wire_link_send_frame(p.a, WIRE_FRAME_PRESENT, payload, &error)) {
        g_assert_cmpuint(++taken, <, 10000); /* what the kernel holds */
    }
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(error->message, "has taken nothing for 0.0 s"));
}

static void
the_end_in_mid_frame(void)
{
    WireFrameHeader header;
    wire_frame_header_encode(WIRE_FRAME_LAYOUT, 100, &header);
    for (unsigned sent = 0; sent <= sizeof header; sent++) {
        g_auto(Pair) p = pair();
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) payload = NULL;
        unsigned type;
        g_assert_true(wire_link_write(p.a, &header, sent, NULL));
        wire_link_shutdown_write(p.a);
        g_assert_false(wire_link_receive_frame(p.b, &type, &payload, &error));
        g_assert_true(error_is(error, ERROR_PEER_GONE));
        /* The other half still works. */
        g_assert_true(wire_link_send_frame(p.b, WIRE_FRAME_BYE, NULL, NULL));
        g_assert_true(wire_link_receive_frame(p.a, &type, &payload, NULL));
    }
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
    g_auto(Pair) p = pair();
    g_autoptr(GError) error = NULL, written = NULL;
    char byte;
    GThread *other = g_thread_new("shut", shut_soon, p.a);
    g_assert_false(wire_link_read(p.a, &byte, 1, &error));
    g_thread_join(other);
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_false(wire_link_write(p.a, "x", 1, &written));
    g_assert_true(error_is(written, ERROR_PEER_GONE));
    g_assert_cmpint(wire_link_read_some(p.b, &byte, 1, NULL), ==, -1);
}

static void
what_is_there(void)
{
    g_auto(Pair) p = pair();
    g_autoptr(GError) error = NULL;
    char bytes[16] = "";
    g_assert_cmpint(wire_link_read_some(p.b, bytes, 16, &error), ==, 0);
    g_assert_no_error(error);
    g_assert_true(wire_link_write_more(p.a, "abc", 3, &error));
    g_assert_true(wire_link_write(p.a, "def", 3, &error));
    g_assert_cmpint(wire_link_read_some(p.b, bytes, 16, &error), ==, 6);
    g_assert_cmpstr(bytes, ==, "abcdef");
    wire_link_shutdown_write(p.a);
    g_assert_cmpint(wire_link_read_some(p.b, bytes, 16, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
a_file_is_sent(void)
{
    g_auto(Pair) p = pair();
    g_autoptr(GError) error = NULL, early = NULL;
    char bytes[9] = "";
    autofd file = memfd_create("sent", MFD_CLOEXEC);
    g_assert_cmpint(write(file, "0123456789", 10), ==, 10);
    wire_link_keep_short(p.a, 4096); /* harmless on a UNIX socket */
    wire_link_send_file(p.a, file, 1, 8, &error);
    g_assert_no_error(error);
    wire_link_read(p.b, bytes, 8, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(bytes, ==, "12345678");
    g_assert_cmpuint(wire_link_bytes_sent(p.a), ==, 8);
    g_assert_false(wire_link_send_file(p.a, file, 8, 8, &early));
    g_assert_nonnull(strstr(early->message, "6 bytes early"));
}

/* Every way to send, to a peer that has gone: an error, and we live. */
static void
the_peer_has_gone(void)
{
    g_auto(Pair) p = pair();
    g_autoptr(GError) file_error = NULL, more = NULL, frame = NULL;
    autofd file = memfd_create("sent", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(file, 4096));
    g_clear_pointer(&p.b, wire_link_free);
    g_assert_false(wire_link_write_more(p.a, "x", 1, &more));
    g_assert_true(error_is(more, ERROR_PEER_GONE));
    g_assert_false(wire_link_send_frame(p.a, WIRE_FRAME_DONE, NULL, &frame));
    g_assert_true(error_is(frame, ERROR_PEER_GONE));
    g_assert_true(g_str_has_prefix(frame->message, "sending DONE: "));
    signal(SIGPIPE, SIG_IGN);
    g_assert_false(wire_link_send_file(p.a, file, 0, 4096, &file_error));
    g_assert_true(error_is(file_error, ERROR_PEER_GONE));
}

typedef struct {
    int listener;
    WireStatus status;
    const char *reason; /* NULL: none follows the status */
} Host;

static gpointer
host(gpointer data)
{
    Host *h = data;
    WireHello hello;
    uint8_t session[WIRE_SESSION_BYTES];
    memset(session, 9, sizeof session);
    g_autoptr(WireLink) link =
        wire_link_accept(accept(h->listener, NULL, NULL), NULL,
                         WIRE_LINK_PATIENCE_MS, &hello, NULL);
    g_assert_nonnull(link);
    g_assert_cmpint(hello.role, ==, WIRE_ROLE_BULK);
    g_assert_cmpuint(hello.index, ==, 5);
    if (h->status == WIRE_STATUS_OK) {
        g_assert_true(wire_link_welcome(link, &hello, session, NULL));
    } else if (h->reason) {
        wire_link_reject(link, h->status, h->reason);
    } else {
        WireWelcome welcome = {.version = 1, .status = h->status};
        WireWelcomeBytes bytes;
        wire_welcome_encode(&welcome, &bytes);
        g_assert_true(wire_link_write(link, &bytes, sizeof bytes, NULL));
    }
    return NULL;
}

static WireLink *
dial(Host h, uint8_t session[WIRE_SESSION_BYTES], GError **error)
{
    g_autofree char *dir = g_dir_make_tmp("postlude-XXXXXX", NULL);
    g_autofree char *text = g_strdup_printf("unix:%s/s", dir);
    g_autoptr(WireAddress) address = wire_address_parse(text, NULL);
    autofd listener = wire_address_listen(address, NULL);
    h.listener = listener;
    GThread *thread = g_thread_new("host", host, &h);
    WireLink *link = wire_link_dial(address, WIRE_ROLE_BULK, 5, session,
                                    error);
    g_thread_join(thread);
    wire_address_unlink(address);
    g_rmdir(dir);
    return link;
}

static void
greetings(void)
{
    uint8_t session[WIRE_SESSION_BYTES] = {0};
    g_autoptr(GError) error = NULL, busy = NULL, mute = NULL;
    g_autoptr(WireLink) link = dial((Host){.status = WIRE_STATUS_OK}, session,
                                    &error);
    g_assert_no_error(error);
    g_assert_cmpuint(session[15], ==, 9);
    g_assert_null(dial((Host){.status = WIRE_STATUS_BUSY,
                              .reason = "another\none is here"},
                       session, &busy));
    g_assert_true(error_is(busy, ERROR_PROTOCOL));
    g_assert_true(g_str_has_prefix(busy->message, "bulk connection to unix:"));
    g_assert_nonnull(
        strstr(busy->message, "refused us: another one is here"));
    g_assert_null(dial((Host){.status = WIRE_STATUS_SESSION}, session, &mute));
    g_assert_nonnull(strstr(mute->message, "not this migration's session"));
}

static void
strangers_are_turned_away(void)
{
    int fds[2];
    WireHello hello;
    g_autoptr(GError) error = NULL, gone = NULL;
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    autofd stranger = fds[0];
    g_assert_cmpint(write(stranger, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
                          37),
                    ==, 37);
    g_assert_null(wire_link_accept(fds[1], NULL, WIRE_LINK_PATIENCE_MS,
                                   &hello, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    close(fds[0]);
    g_assert_null(wire_link_accept(fds[1], NULL, WIRE_LINK_PATIENCE_MS,
                                   &hello, &gone));
    g_assert_true(error_is(gone, ERROR_PEER_GONE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/frames", frames);
    g_test_add_func("/link/silence", silence_in_mid_frame);
    g_test_add_func("/link/stall", a_peer_that_takes_nothing);
    g_test_add_func("/link/end", the_end_in_mid_frame);
    g_test_add_func("/link/shutdown", shutdown_ends_a_read_that_waits);
    g_test_add_func("/link/some", what_is_there);
    g_test_add_func("/link/file", a_file_is_sent);
    g_test_add_func("/link/gone", the_peer_has_gone);
    g_test_add_func("/link/greetings", greetings);
    g_test_add_func("/link/strangers", strangers_are_turned_away);
    return g_test_run();
}
