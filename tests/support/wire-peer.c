/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A peer of postlude that a test plays by hand: see wire-peer.h.
 */
#include "tests/support/wire-peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static struct sockaddr_in
loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
wire_peer_listen(unsigned *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, bytes), ==, 0);
    g_assert_cmpint(listen(fd, 16), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &bytes), ==,
                    0);
    *port = ntohs(address.sin_port);
    return fd;
}

int
wire_peer_accept(int listener)
{
    g_autoptr(GError) error = NULL;
    fd_wait(listener, POLLIN, fd_deadline_ns(WIRE_PEER_PATIENCE_MS), &error);
    g_assert_no_error(error);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

int
wire_peer_dial(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address),
                    ==, 0);
    return fd;
}

void
wire_peer_write(int fd, const void *bytes, size_t n)
{
    fd_write_all(fd, bytes, n, fd_deadline_ns(WIRE_PEER_PATIENCE_MS), NULL);
}

void
wire_peer_text(int fd, const char *text)
{
    wire_peer_write(fd, text, strlen(text));
}

bool
wire_peer_read(int fd, void *bytes, size_t n)
{
    g_autoptr(GError) error = NULL;
    if (fd_read_all(fd, bytes, n, fd_deadline_ns(WIRE_PEER_PATIENCE_MS),
                    &error)) {
        return true;
    }
    if (error_is(error, ERROR_RETRY)) {
        g_error("postlude says nothing and does not hang up either");
    }
    return false;
}

void
wire_peer_drain(int fd)
{
    uint8_t byte;
    while (wire_peer_read(fd, &byte, 1)) {
    }
}

void
wire_peer_say_hello(int fd, WireRole role, unsigned version,
                    const uint8_t session[WIRE_SESSION_BYTES])
{
    WireHello hello = {.version = (uint16_t)version,
                       .lowest = (uint16_t)version,
                       .role = role};
    if (session) {
        memcpy(hello.session, session, WIRE_SESSION_BYTES);
    }
    WireHelloBytes bytes;
    wire_hello_encode(&hello, &bytes);
    wire_peer_write(fd, &bytes, sizeof bytes);
}

WireWelcome
wire_peer_hear_welcome(int fd)
{
    g_autoptr(GError) error = NULL;
    WireWelcomeBytes bytes;
    WireWelcome welcome = {0};
    g_assert_true(wire_peer_read(fd, &bytes, sizeof bytes));
    wire_welcome_decode(&bytes, &welcome, &error);
    g_assert_no_error(error);
    return welcome;
}

WireHello
wire_peer_hear_hello(int fd)
{
    g_autoptr(GError) error = NULL;
    WireHelloBytes bytes;
    WireHello hello = {0};
    g_assert_true(wire_peer_read(fd, &bytes, sizeof bytes));
    wire_hello_decode(&bytes, &hello, &error);
    g_assert_no_error(error);
    return hello;
}

void
wire_peer_say_welcome(int fd, unsigned version, WireStatus status)
{
    WireWelcome welcome = {.version = (uint16_t)version, .status = status};
    memset(welcome.session, 7, sizeof welcome.session);
    WireWelcomeBytes bytes;
    wire_welcome_encode(&welcome, &bytes);
    wire_peer_write(fd, &bytes, sizeof bytes);
}

void
wire_peer_say_frame(int fd, unsigned type, size_t length, const void *payload,
                    size_t n)
{
    WireFrameHeader header = {.type = GUINT16_TO_LE((uint16_t)type),
                              .length = GUINT32_TO_LE((uint32_t)length)};
    wire_peer_write(fd, &header, sizeof header);
    if (n > 0) {
        wire_peer_write(fd, payload, n);
    }
}

GByteArray *
wire_peer_hear_frame(int fd, unsigned type)
{
    g_autoptr(GError) error = NULL;
    WireFrameHeader header;
    unsigned got = 0;
    size_t length = 0;
    g_assert_true(wire_peer_read(fd, &header, sizeof header));
    wire_frame_header_decode(&header, &got, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(wire_frame_name(got), ==, wire_frame_name(type));
    GByteArray *payload = g_byte_array_new();
    g_byte_array_set_size(payload, (guint)length);
    g_assert_true(length == 0 || wire_peer_read(fd, payload->data, length));
    return payload;
}
