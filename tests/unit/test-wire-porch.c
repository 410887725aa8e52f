/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What strangers can cost: a bounded number of places, bytes and seconds, and
 * the one who is expected comes in among them all the same.
 */
#include "wire/wire-porch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/wire-peer.h"

#define MANY 100

typedef struct {
    int listener;
    unsigned port;
    WirePorch *porch;
} Scene;

static void
scene_open(Scene *s, int patience_ms)
{
    s->listener = wire_peer_listen(&s->port);
    s->porch = wire_porch_open(s->listener, NULL, patience_ms, NULL);
}

static void
scene_clear(Scene *s)
{
    g_clear_pointer(&s->porch, wire_porch_close);
    fd_clear(&s->listener);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static bool
has_caller(Scene *s, int timeout_ms)
{
    struct pollfd p = {.fd = wire_porch_fd(s->porch), .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

/* True if the other end of FD closes within the time. */
static bool
is_closed_within(int fd, int timeout_ms)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0 && recv(fd, &byte, 1, 0) <= 0;
}

static unsigned
threads(void)
{
    unsigned n = 0;
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

/* The expected one, who says HELLO at once: through within TIMEOUT_MS. */
static void
expect_through(Scene *s, int timeout_ms)
{
    WireHello hello;
    autofd fd = wire_peer_dial(s->port);
    wire_peer_say_hello(fd, WIRE_ROLE_URGENT, WIRE_VERSION, NULL);
    g_assert_true(has_caller(s, timeout_ms));
    g_autoptr(WireLink) link = wire_porch_take(s->porch, &hello);
    g_assert_nonnull(link);
    g_assert_cmpint(hello.role, ==, WIRE_ROLE_URGENT);
    g_assert_false(has_caller(s, 0));
    uint8_t session[WIRE_SESSION_BYTES] = {0};
    g_assert_true(wire_link_welcome(link, &hello, session, NULL));
    g_assert_cmpint(wire_peer_hear_welcome(fd).status, ==, WIRE_STATUS_OK);
}

/* Hangs up, and returns when the other end knows. */
static void
hang_up(int fd)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 10000 && info.tcpi_state != TCP_FIN_WAIT2; i++) {
        g_usleep(1000);
        g_assert_no_errno(
            getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes));
    }
    g_assert_cmpint(info.tcpi_state, ==, TCP_FIN_WAIT2);
    close(fd);
}

static void
in_order(void)
{
    g_auto(Scene) s = {0};
    WireHello hello;
    scene_open(&s, 10000);
    g_assert_null(wire_porch_take(s.porch, &hello));
    expect_through(&s, 5000);
    /* Who has hung up before he is taken is nobody. */
    int gone = wire_peer_dial(s.port);
    wire_peer_say_hello(gone, WIRE_ROLE_BULK, WIRE_VERSION, NULL);
    g_assert_true(has_caller(&s, 5000));
    hang_up(gone);
    g_assert_null(wire_porch_take(s.porch, &hello));
    g_assert_false(has_caller(&s, 0));
    expect_through(&s, 5000);
}

static void
expect_all_open(const int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        g_assert_false(is_closed_within(fds[i], 0));
    }
}

/* As many as there are places say nothing; the next comes in at once if there
 * is one left, and else when the first has had his second. */
static void
silent_ones_make_room(void)
{
    g_auto(Scene) s = {0};
    int fds[WIRE_PORCH_CALLERS];
    scene_open(&s, 60000);
    for (int i = 0; i < WIRE_PORCH_CALLERS; i++) {
        fds[i] = wire_peer_dial(s.port);
        if (i == WIRE_PORCH_CALLERS - 2) {
            expect_through(&s, 20000);
            expect_all_open(fds, i + 1);
        }
    }
    g_test_expect_message("wire", G_LOG_LEVEL_WARNING,
                          "refused a connection: *");
    expect_through(&s, WIRE_PORCH_GRACE_MS + 4000);
    g_assert_true(is_closed_within(fds[0], 5000));
    g_assert_false(is_closed_within(fds[WIRE_PORCH_CALLERS - 1], 0));
    g_test_assert_expected_messages();
    for (int i = 0; i < WIRE_PORCH_CALLERS; i++) {
        close(fds[i]);
    }
}

/* One that has been joined may be listed a moment longer. */
static void
expect_threads_at_most(unsigned n)
{
    for (int i = 0; i < 10000 && threads() > n; i++) {
        g_usleep(1000);
    }
    g_assert_cmpuint(threads(), <=, n);
}

/* A hundred at a time: no more threads than places, and the expected one, the
 * last in the kernel's queue, comes in after all. */
static void
many_at_a_time(void)
{
    g_auto(Scene) s = {0};
    int fds[MANY];
    unsigned before = threads();
    scene_open(&s, 60000);
    g_assert_cmpint(listen(s.listener, 2 * MANY), ==, 0);
    for (int i = 0; i < MANY; i++) {
        fds[i] = wire_peer_dial(s.port);
    }
    g_usleep(300000);
    expect_threads_at_most(before + WIRE_PORCH_CALLERS + 1);
    expect_through(&s, 20000);
    expect_threads_at_most(before + WIRE_PORCH_CALLERS + 1);
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
    }
}

/* A byte now and then does not buy time. */
static void
slow_ones_are_out_in_time(void)
{
    g_auto(Scene) s = {0};
    scene_open(&s, 2000);
    autofd silent = wire_peer_dial(s.port);
    autofd slow = wire_peer_dial(s.port);
    unsigned sent = 0;
    for (; sent < 31 && !is_closed_within(slow, 500); sent++) {
        wire_peer_write(slow, &"POSTLUDE"[MIN(sent, 7)], 1);
    }
    g_assert_cmpuint(sent, <, 31);
    g_assert_true(is_closed_within(silent, 30000));
    g_assert_false(has_caller(&s, 0));
}

/* At the limit of descriptors (EMFILE) who dials waits in the kernel's queue, and
 * is let in when there are some again. */
static void
without_descriptors(void)
{
    struct rlimit before, now;
    g_auto(Scene) s = {0};
    WireHello hello;
    s.listener = wire_peer_listen(&s.port);
    autofd fd = wire_peer_dial(s.port);
    wire_peer_say_hello(fd, WIRE_ROLE_URGENT, WIRE_VERSION, NULL);
    int next = dup(fd);
    g_assert_no_errno(next);
    close(next);
    g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &before));
    now = before;
    now.rlim_cur = (rlim_t)next + 2; /* the porch's own */
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &now));
    s.porch = wire_porch_open(s.listener, NULL, 10000, NULL);
    bool through = !s.porch || has_caller(&s, 500);
    bool closed = is_closed_within(fd, 0);
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &before));
    g_assert_nonnull(s.porch);
    g_assert_false(through);
    g_assert_false(closed);
    g_assert_true(has_caller(&s, 5000));
    g_autoptr(WireLink) link = wire_porch_take(s.porch, &hello);
    g_assert_nonnull(link);
}

/* Closing does not wait for those who stand there. */
static void
closing_is_quick(void)
{
    Scene s = {0};
    int fds[WIRE_PORCH_CALLERS + 5];
    scene_open(&s, 60000);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = wire_peer_dial(s.port);
        if (i == 3) { /* at once: on a slow machine it would have to go */
            wire_peer_say_hello(fds[i], WIRE_ROLE_BULK, WIRE_VERSION, NULL);
        }
    }
    g_assert_true(has_caller(&s, 5000));
    uint64_t begun = fd_now_ns();
    scene_clear(&s);
    g_assert_cmpuint(fd_now_ns() - begun, <, UINT64_C(30000000000));
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_assert_true(is_closed_within(fds[i], 5000));
        close(fds[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/porch/in-order", in_order);
    g_test_add_func("/porch/silent", silent_ones_make_room);
    g_test_add_func("/porch/many", many_at_a_time);
    g_test_add_func("/porch/slow", slow_ones_are_out_in_time);
    g_test_add_func("/porch/descriptors", without_descriptors);
    g_test_add_func("/porch/closing", closing_is_quick);
    return g_test_run();
}
