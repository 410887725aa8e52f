/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a receiver hears from a source that is none. It ends with a clear word,
 * the QEMU behind it goes on waiting, untouched, and takes the real guest.
 */
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/wire-peer.h"

static VmTool *
receive_from(VmPair *pair, unsigned port)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", port);
    const char *extra[] = {"--peer-timeout", "2", NULL};
    VmTool *tool = vm_pair_receive_from(pair, at, extra, &error);
    g_assert_no_error(error);
    return tool;
}

static void
expect_untouched(VmPair *pair)
{
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

typedef struct {
    const char *name;
    const char *words; /* instead of WELCOME; NULL: silence */
    const char *text;  /* of the receiver */
} Greeting;

static const Greeting greetings[] = {
    {"http", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
     "control connection to 127.0.0.1:"},
    {"ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
     "control connection to 127.0.0.1:"},
    {"silence", NULL, "the peer fell silent for 10"},
};

static void
test_greeting(gconstpointer data)
{
    const Greeting *g = data;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    unsigned port;
    autofd listener = wire_peer_listen(&port);
    g_autoptr(VmTool) receive = receive_from(pair, port);
    autofd fd = wire_peer_accept(listener);
    if (g->words) {
        wire_peer_text(fd, g->words);
    }
    vm_expect_end(receive, 60000, 1, g->text);
    expect_untouched(pair);
}

static void
test_wrong_version(void)
{
    static const char reason[] = "this is version 9\n\x1b[2J and a bell \a";
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    unsigned port;
    autofd listener = wire_peer_listen(&port);
    g_autoptr(VmTool) receive = receive_from(pair, port);
    autofd fd = wire_peer_accept(listener);
    wire_peer_hear_hello(fd);
    wire_peer_say_welcome(fd, 9, WIRE_STATUS_VERSION);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_abort_encode(reason, payload);
    wire_peer_say_frame(fd, WIRE_FRAME_ABORT, payload->len, payload->data,
                        payload->len);
    vm_expect_end(receive, 60000, 1, "the source refused us: this is version");
    /* What a stranger says must not reach the terminal raw. */
    g_autofree char *said = vm_tool_stderr(receive);
    g_assert_null(strchr(said, '\x1b'));
    g_assert_null(strchr(said, '\a'));
    expect_untouched(pair);
}

typedef struct {
    const char *name;
    unsigned type;
    size_t length, bytes;
    uint8_t payload[32];
    const char *text;
} Frame;

/* In the place of ACCEPT. */
static const Frame frames[] = {
    {"over-long", WIRE_FRAME_ACCEPT, UINT32_MAX, 0, {0}, "bytes"},
    {"unknown-type", 500, 0, 0, {0}, "500"},
    {"truncated", WIRE_FRAME_ACCEPT, 4, 2, {1}, "a truncated ACCEPT frame"},
    {"no-streams", WIRE_FRAME_ACCEPT, 4, 4, {0}, "postlude receive: agree: "},
    {"too-many-streams", WIRE_FRAME_ACCEPT, 4, 4, {0xff, 0xff},
     "postlude receive: agree: "},
    {"run-at-once", WIRE_FRAME_RUN, 4, 4, {1},
     "the peer said RUN instead of ACCEPT"},
};

static int
take_layout(int listener)
{
    int fd = wire_peer_accept(listener);
    wire_peer_hear_hello(fd);
    wire_peer_say_welcome(fd, WIRE_VERSION, WIRE_STATUS_OK);
    g_byte_array_unref(wire_peer_hear_frame(fd, WIRE_FRAME_LAYOUT));
    return fd;
}

static void
test_frame(gconstpointer data)
{
    const Frame *f = data;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    unsigned port;
    autofd listener = wire_peer_listen(&port);
    g_autoptr(VmTool) receive = receive_from(pair, port);
    autofd fd = take_layout(listener);
    wire_peer_say_frame(fd, f->type, f->length, f->payload, f->bytes);
    if (f->bytes > 0 && f->bytes < f->length) {
        fd_clear(&fd);
    }
    vm_expect_end(receive, 60000, 1, f->text);
    expect_untouched(pair);
}

/* Up to ARMED as it should be; then words that make no sense. */
static int
arm(int listener, int *others)
{
    static const uint8_t all[] = {0, 0, 2, 0, 0, 0, 0, 0, 32, 0, 0, 0,
                                  0xff, 0xff, 0xff, 0xff};
    static const uint8_t accept[] = {1, 0, 0, 0};
    int fd = take_layout(listener);
    wire_peer_say_frame(fd, WIRE_FRAME_ACCEPT, sizeof accept, accept,
                        sizeof accept);
    for (int i = 0; i < 3; i++) {
        others[i] = wire_peer_accept(listener);
        wire_peer_hear_hello(others[i]);
        wire_peer_say_welcome(others[i], WIRE_VERSION, WIRE_STATUS_OK);
    }
    wire_peer_say_frame(fd, WIRE_FRAME_EXTENTS, sizeof all, all, sizeof all);
    g_byte_array_unref(wire_peer_hear_frame(fd, WIRE_FRAME_ARMED));
    return fd;
}

static void
test_after_armed(gconstpointer data)
{
    int what = GPOINTER_TO_INT(data);
    static const uint8_t nonsense[64] = {9, 9, 9, 9};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    unsigned port;
    int others[3] = {-1, -1, -1}; /* device, urgent, bulk */
    autofd listener = wire_peer_listen(&port);
    g_autoptr(VmTool) receive = receive_from(pair, port);
    autofd fd = arm(listener, others);
    if (what == 0) {
        wire_peer_say_frame(fd, WIRE_FRAME_RUN, 4, nonsense, 4);
        vm_expect_end(receive, 60000, 1,
                      "the peer said RUN instead of SWITCHOVER");
    } else if (what == 1) {
        wire_peer_write(others[1], nonsense, sizeof nonsense);
        vm_expect_end(receive, 60000, 1,
                      "invalid message on the urgent connection");
    } else {
        fd_clear(&fd);
        vm_expect_end(receive, 60000, 1, "the control connection is lost");
    }
    for (int i = 0; i < 3; i++) {
        fd_clear(&others[i]);
    }
    expect_untouched(pair);
}

int
main(int argc, char **argv)
{
    static const char *const late[] = {"run-too-early", "urgent-nonsense",
                                       "hangs-up"};
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(greetings); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-hostile-source/greeting/%s", greetings[i].name);
        g_test_add_data_func(path, &greetings[i], test_greeting);
    }
    g_test_add_func("/a-hostile-source/wrong-version", test_wrong_version);
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        g_autofree char *path = g_strdup_printf("/a-hostile-source/frame/%s",
                                                frames[i].name);
        g_test_add_data_func(path, &frames[i], test_frame);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(late); i++) {
        g_autofree char *path = g_strdup_printf("/a-hostile-source/armed/%s",
                                                late[i]);
        g_test_add_data_func(path, GINT_TO_POINTER(i), test_after_armed);
    }
    return g_test_run();
}
