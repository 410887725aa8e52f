/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a sender hears from a destination that is none. Strangers who cannot
 * even say hello are turned away, and the sender goes on waiting for the right
 * one; who breaks the protocol later ends the attempt, with the guest at home.
 */
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/wire-peer.h"

/* Bytes of a first connection that is no HELLO. */
static const char *const strangers[] = {
    "GET / HTTP/1.1\r\nHost: example\r\n\r\n",
    "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03 garbage garbage garbage garbage",
    "POSTLUDA........................",
    "POST", /* and then closes */
};

static void
test_strangers(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        int fd = wire_peer_dial(pair->port);
        wire_peer_text(fd, strangers[i]);
        close(fd);
    }
    autofd old = wire_peer_dial(pair->port);
    wire_peer_say_hello(old, WIRE_ROLE_CONTROL, 999, NULL);
    WireWelcome welcome = wire_peer_hear_welcome(old);
    g_assert_cmpint(welcome.status, ==, WIRE_STATUS_VERSION);
    g_autoptr(GByteArray) why = wire_peer_hear_frame(old, WIRE_FRAME_ABORT);
    g_autofree char *reason = wire_abort_decode(why);
    g_assert_nonnull(strstr(reason, "install the same postlude"));
    vm_expect_says(send, "refused a connection");
    /* Somebody who says nothing at all must not keep the right one out. */
    autofd silent = wire_peer_dial(pair->port);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_arrives(pair, send, receive);
}

/* More of them than there are places, who say nothing or only so much that
 * they are not sent away for it: the right one comes in all the same, and long
 * before their time is over. */
static void
test_slow_strangers(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    int fds[40];
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = wire_peer_dial(pair->port);
        if (i % 2) {
            wire_peer_text(fds[i], "POSTLU");
        }
    }
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_arrives(pair, send, receive);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        close(fds[i]);
    }
}

/* A control connection as it should be, up to WELCOME. */
static int
become_control(VmPair *pair, WireWelcome *welcome)
{
    int fd = wire_peer_dial(pair->port);
    wire_peer_say_hello(fd, WIRE_ROLE_CONTROL, WIRE_VERSION, NULL);
    *welcome = wire_peer_hear_welcome(fd);
    g_assert_cmpint(welcome->status, ==, WIRE_STATUS_OK);
    return fd;
}

static void
say_layout(int fd, uint64_t bytes, const char *name)
{
    WireLayoutBlock block = {.bytes = bytes};
    WireLayout layout = {.page_bytes = 4096,
                         .streams = 1,
                         .n_blocks = 1,
                         .blocks = &block};
    g_strlcpy(block.name, name, sizeof block.name);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_layout_encode(&layout, payload);
    wire_peer_say_frame(fd, WIRE_FRAME_LAYOUT, payload->len, payload->data,
                        payload->len);
}

typedef struct {
    const char *name;
    unsigned type;
    size_t length, bytes;
    const char *text; /* of the sender */
} Frame;

static const Frame frames[] = {
    {"over-long", WIRE_FRAME_LAYOUT, UINT32_MAX, 0, "bytes"},
    {"a-little-too-long", WIRE_FRAME_LAYOUT, WIRE_MAX_FRAME_BYTES + 1, 0,
     "bytes"},
    {"unknown-type", 77, 0, 0, "77"},
    {"type-0", 0, 0, 0, "0"},
    {"truncated", WIRE_FRAME_LAYOUT, 152, 10, "a truncated LAYOUT frame"},
    {"empty-layout", WIRE_FRAME_LAYOUT, 0, 0, "postlude send: agree: "},
    {"not-now", WIRE_FRAME_RUNNING, 0, 0,
     "the peer said RUNNING instead of LAYOUT"},
};

static void
test_frame(gconstpointer data)
{
    const Frame *f = data;
    static const uint8_t zeros[256];
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    WireWelcome welcome;
    int fd = become_control(pair, &welcome);
    wire_peer_say_frame(fd, f->type, f->length, zeros, f->bytes);
    if (f->bytes < f->length && f->bytes > 0) {
        close(fd);
        fd = -1;
    }
    vm_expect_end(send, 60000, 1, f->text);
    fd_clear(&fd);
    vm_expect_at_home(pair);
    vm_expect_moves(pair);
}

static void
test_wrong_layout(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    WireWelcome welcome;
    autofd fd = become_control(pair, &welcome);
    say_layout(fd, UINT64_C(1) << 62, "../../etc/passwd");
    vm_expect_end(send, 60000, 1, "RAM block 0 is 'm0' of 64 MiB");
    vm_expect_at_home(pair);
}

/* Who has not seen the session must not get a connection that carries RAM. */
static void
test_wrong_session(void)
{
    static const WireRole roles[] = {WIRE_ROLE_DEVICE, WIRE_ROLE_URGENT,
                                     WIRE_ROLE_BULK};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *extra[] = {"--peer-timeout", "10", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, extra);
    WireWelcome welcome;
    autofd control = become_control(pair, &welcome);
    say_layout(control, 64 << 20, "m0");
    g_autoptr(GByteArray) accepted =
        wire_peer_hear_frame(control, WIRE_FRAME_ACCEPT);
    welcome.session[3] ^= 1;
    for (size_t i = 0; i < G_N_ELEMENTS(roles); i++) {
        autofd fd = wire_peer_dial(pair->port);
        wire_peer_say_hello(fd, roles[i], WIRE_VERSION, welcome.session);
        g_assert_cmpint(wire_peer_hear_welcome(fd).status, ==,
                        WIRE_STATUS_SESSION);
        wire_peer_drain(fd);
    }
    autofd second = wire_peer_dial(pair->port);
    wire_peer_say_hello(second, WIRE_ROLE_CONTROL, WIRE_VERSION, NULL);
    g_assert_cmpint(wire_peer_hear_welcome(second).status, ==,
                    WIRE_STATUS_BUSY);
    vm_expect_end(send, 60000, 1, "the destination's other connections");
    vm_expect_at_home(pair);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/a-hostile-destination/strangers", test_strangers);
    g_test_add_func("/a-hostile-destination/slow-strangers",
                    test_slow_strangers);
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-hostile-destination/frame/%s", frames[i].name);
        g_test_add_data_func(path, &frames[i], test_frame);
    }
    g_test_add_func("/a-hostile-destination/wrong-layout", test_wrong_layout);
    g_test_add_func("/a-hostile-destination/wrong-session",
                    test_wrong_session);
    return g_test_run();
}
