/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A peer that says PROGRESS without end keeps nobody from the clock, nor from a
 * signal; and the message says the time that has passed.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-wait.h"
#include "tests/unit/session-scene.h"

#define LIMIT_MS 300
#define ENOUGH_S 5.0

typedef struct {
    SessionScene guest;
    WireLink *peer;
    GThread *talks, *hears;
} Scene;

/* Many in one write, so that there is always one more. */
static gpointer
talk(gpointer data)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) many = g_byte_array_new();
    WireFrameHeader header;
    wire_progress_encode(1, 2, payload);
    wire_frame_header_encode(WIRE_FRAME_PROGRESS, payload->len, &header);
    for (unsigned i = 0; i < 4000; i++) {
        g_byte_array_append(many, (const uint8_t *)&header, sizeof header);
        g_byte_array_append(many, payload->data, payload->len);
    }
    while (wire_link_write(data, many->data, many->len, NULL)) {
    }
    return NULL;
}

static void
say_nothing(const char *domain, GLogLevelFlags level, const char *message,
            gpointer unused)
{
}

static gpointer
hear(gpointer data)
{
    char bytes[65536];
    while (recv(wire_link_fd(data), bytes, sizeof bytes, 0) > 0) {
    }
    return NULL;
}

static MigrateSession *
scene_init(Scene *s)
{
    int ends[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    session_scene_init(&s->guest, MIGRATE_SEND);
    MigrateSession *session = s->guest.session;
    session->peer.control = wire_link_new(ends[0]);
    session->peer.watch = migrate_session_watch(session, ends[0]);
    s->peer = wire_link_new(ends[1]);
    s->talks = g_thread_new("talks", talk, s->peer);
    s->hears = g_thread_new("hears", hear, s->peer);
    return session;
}

static void
scene_clear(Scene *s)
{
    wire_link_shutdown(s->peer);
    g_thread_join(s->talks);
    g_thread_join(s->hears);
    wire_link_free(s->peer);
    session_scene_clear(&s->guest);
}

static bool
never(MigrateSession *session)
{
    return false;
}

static void
the_clock(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session = scene_init(&s);
    uint64_t began_ns = fd_now_ns();
    g_assert_false(migrate_session_wait(session, never, LIMIT_MS, "an end",
                                        &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_cmpfloat(fd_seconds_since(began_ns), <, ENOUGH_S);
    g_assert_nonnull(strstr(error->message, "waiting for an end after 0."));
    g_assert_cmpuint(session->source.demand_pages, ==, 2);
    scene_clear(&s);
}

static gpointer
interrupt(gpointer unused)
{
    g_usleep(200000);
    kill(getpid(), SIGTERM);
    return NULL;
}

static void
a_signal(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session = scene_init(&s);
    GThread *thread = g_thread_new("interrupts", interrupt, NULL);
    uint64_t began_ns = fd_now_ns();
    g_assert_false(migrate_session_wait(session, never, 60000, "an end",
                                        &error));
    g_assert_true(error_is(error, ERROR_CANCELLED));
    g_assert_cmpfloat(fd_seconds_since(began_ns), <, ENOUGH_S);
    g_thread_join(thread);
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_default_handler(say_nothing, NULL);
    g_test_add_func("/flood/the-clock", the_clock);
    g_test_add_func("/flood/a-signal", a_signal);
    return g_test_run();
}
