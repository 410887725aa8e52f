/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tunnel for device state: everything arrives, each half ends by itself,
 * and it lets go when it is told to.
 */
#include "migrate/device/migrate-relay.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define MANY (3u << 20)

typedef struct {
    int qemu;          /* QEMU's end of the local socket */
    WireLink *device;  /* the tunnel's end of the connection */
    int peer;          /* the other host */
    MigrateRelay *relay;
} Scene;

static Scene
begin(void)
{
    int local[2], device[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
                                 local));
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
                                 device));
    Scene s = {.qemu = local[0], .device = wire_link_new(device[0]),
               .peer = device[1]};
    s.relay = migrate_relay_start(local[1], s.device, NULL);
    return s;
}

static void
end(Scene *s)
{
    if (s->relay) {
        migrate_relay_stop(s->relay);
    }
    wire_link_free(s->device);
    fd_clear(&s->qemu);
    fd_clear(&s->peer);
}

static gpointer
write_many(gpointer data)
{
    g_autofree uint8_t *bytes = g_malloc(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        bytes[i] = (uint8_t)(i % 241);
    }
    g_assert_true(fd_write_all(GPOINTER_TO_INT(data), bytes, MANY, 0, NULL));
    shutdown(GPOINTER_TO_INT(data), SHUT_WR);
    return NULL;
}

/* MANY bytes, then the end, and nothing of either more. */
static void
assert_many_then_end(int fd)
{
    g_autofree uint8_t *bytes = g_malloc(MANY);
    g_autoptr(GError) error = NULL, closed = NULL;
    fd_read_all(fd, bytes, MANY, fd_deadline_ns(20000), &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_cmpuint(bytes[i], ==, i % 241);
    }
    g_assert_false(fd_read_all(fd, bytes, 1, fd_deadline_ns(20000), &closed));
    g_assert_true(error_is(closed, ERROR_PEER_GONE));
}

static void
one_half_then_the_other(gconstpointer outwards_first)
{
    Scene s = begin();
    int first = outwards_first ? s.qemu : s.peer;
    int second = outwards_first ? s.peer : s.qemu;
    GThread *writer = g_thread_new("w", write_many, GINT_TO_POINTER(first));
    assert_many_then_end(second);
    g_thread_join(writer);
    /* The other direction is still open. */
    writer = g_thread_new("w", write_many, GINT_TO_POINTER(second));
    assert_many_then_end(first);
    g_thread_join(writer);
    g_assert_cmpuint(migrate_relay_bytes(s.relay), ==, 2 * MANY);
    end(&s);
}

static void
stopped_while_it_waits(void)
{
    Scene s = begin();
    char byte;
    migrate_relay_stop(s.relay);
    s.relay = NULL;
    /* QEMU and the other host both see the end, with our link still alive. */
    g_assert_cmpint(read(s.qemu, &byte, 1), ==, 0);
    g_assert_cmpint(read(s.peer, &byte, 1), ==, 0);
    end(&s);
}

/* Nobody reads at the other end: the thread is stuck in a write. */
static void
stopped_while_it_is_stuck(gconstpointer outwards)
{
    Scene s = begin();
    int from = outwards ? s.qemu : s.peer;
    g_autofree uint8_t *bytes = g_malloc0(MANY);
    fd_write_all(from, bytes, MANY, fd_deadline_ns(200), NULL);
    uint64_t before = fd_now_ns();
    migrate_relay_stop(s.relay);
    s.relay = NULL;
    g_assert_cmpuint((fd_now_ns() - before) / 1000000, <, 5000);
    end(&s);
}

/* QEMU dies with our bytes unread: on a UNIX socket that is a reset, not an
 * end; the other host must hear of it all the same. */
static void
a_dead_qemu_is_passed_on(void)
{
    Scene s = begin();
    g_autoptr(GError) error = NULL;
    char byte;
    g_assert_cmpint(write(s.peer, "unread", 6), ==, 6);
    while (migrate_relay_bytes(s.relay) < 6) {
        g_usleep(1000);
    }
    g_usleep(10000);
    fd_clear(&s.qemu);
    g_assert_false(fd_read_all(s.peer, &byte, 1, fd_deadline_ns(5000),
                               &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    end(&s);
}

static void
a_dead_peer_is_passed_on(void)
{
    Scene s = begin();
    g_autoptr(GError) error = NULL;
    char byte;
    fd_clear(&s.peer);
    g_assert_false(fd_read_all(s.qemu, &byte, 1, fd_deadline_ns(5000),
                               &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    end(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/relay/half/out", "", one_half_then_the_other);
    g_test_add_data_func("/relay/half/in", NULL, one_half_then_the_other);
    g_test_add_func("/relay/stop/idle", stopped_while_it_waits);
    g_test_add_data_func("/relay/stop/out", "", stopped_while_it_is_stuck);
    g_test_add_data_func("/relay/stop/in", NULL, stopped_while_it_is_stuck);
    g_test_add_func("/relay/dead/qemu", a_dead_qemu_is_passed_on);
    g_test_add_func("/relay/dead/peer", a_dead_peer_is_passed_on);
    return g_test_run();
}
