/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last words of both sides, DONE or ENDED, BYE, DONE: each may be lost, and
 * the connection with it. Neither side may hold the other up, nor leave it
 * waiting. The other side by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/story/migrate-settle.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/story/migrate-source.h"
#include "tests/unit/link-scene.h"

#define DOWNTIME_US 1500

/* The source, by hand. */

static void
say_bye(int fd)
{
    GByteArray *payload = g_byte_array_new();
    wire_bye_encode(DOWNTIME_US, payload);
    link_scene_say(fd, WIRE_FRAME_BYE, payload);
}

static void
hear_last(const LinkScene *s, int fd)
{
    link_scene_hear(fd, s->session->guest.ended ? WIRE_FRAME_ENDED
                                                : WIRE_FRAME_DONE);
}

static int
accept_last(const LinkScene *s)
{
    int fd = link_scene_accept(s, WIRE_ROLE_CONTROL);
    link_scene_hear(fd, s->session->guest.ended ? WIRE_FRAME_ENDED
                                                : WIRE_FRAME_RECONNECT);
    return fd;
}

static void
answer_again(LinkScene *s)
{
    autofd fd = accept_last(s);
    say_bye(fd);
    link_scene_hear(fd, WIRE_FRAME_DONE);
}

static void
answer(LinkScene *s)
{
    hear_last(s, s->control);
    say_bye(s->control);
    link_scene_hear(s->control, WIRE_FRAME_DONE);
}

/* Any of its last words is late, and says nothing of BYE. */
static void
answer_late(LinkScene *s)
{
    hear_last(s, s->control);
    link_scene_say(s->control, WIRE_FRAME_ALIVE, NULL);
    link_scene_say(s->control, WIRE_FRAME_SOURCE_RUNS, NULL);
    say_bye(s->control);
    link_scene_hear(s->control, WIRE_FRAME_DONE);
}

static void
lose_bye(LinkScene *s)
{
    hear_last(s, s->control);
    fd_clear(&s->control);
    answer_again(s);
}

static void
lose_bye_twice(LinkScene *s)
{
    hear_last(s, s->control);
    fd_clear(&s->control);
    autofd fd = accept_last(s);
    fd_clear(&fd);
    answer_again(s);
}

static void
say_nonsense(LinkScene *s)
{
    hear_last(s, s->control);
    wire_peer_say_frame(s->control, WIRE_FRAME_BYE, 1, "", 1);
    wire_peer_drain(s->control);
    answer_again(s);
}

static void
lose_done(LinkScene *s)
{
    fd_clear(&s->control);
    answer_again(s);
}

typedef struct {
    const char *name;
    void (*source)(LinkScene *scene);
} Destination;

static const Destination destinations[] = {
    {"bye", answer},
    {"bye-late", answer_late},
    {"bye-lost", lose_bye},
    {"bye-lost-twice", lose_bye_twice},
    {"bye-cut-short", say_nonsense},
    {"done-lost", lose_done},
};

/* What settling takes apart: a process that is to be collapsed no more. */
static void
help(MigrateSession *session)
{
    g_autoptr(GError) error = NULL;
    session->destination.target =
        collapse_target_open(session->guest.pid, &error);
    g_assert_no_error(error);
    session->destination.huge = migrate_huge_start(
        session->destination.pages, session->destination.target, &error);
    g_assert_no_error(error);
}

static void
destination(const Destination *c, WireEndedCode ended)
{
    LinkScene s;
    g_autoptr(GError) error = NULL, early = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    MigrateSession *session = s.session;
    session->past_no_return = session->peer.linked = true;
    session->guest.ended = ended;
    session->guest.ended_words = g_strdup("for a test");
    help(session);
    if (ended) {
        session_scene_end_qemu(&s.guest);
        session->guest.gone = true;
    }
    /* A connection that the other side's leaving breaks is heard of first. */
    error_set(&early, ERROR_PEER_GONE, "a bulk connection ended early");
    migrate_alarm_raise(&session->alarm, g_steal_pointer(&early));
    link_scene_play(&s, c->source);
    g_assert_cmpint(migrate_settle_destination(session, &error), ==,
                    ended != WIRE_ENDED_CRASHED);
    g_assert_cmpint(error_is(error, ERROR_VM_GONE), ==,
                    ended == WIRE_ENDED_CRASHED);
    g_assert_false(session->peer.control_lost);
    g_assert_cmpfloat(session->report.downtime_ms, ==, DOWNTIME_US / 1e3);
    link_scene_clear(&s);
}

static void
arrived(gconstpointer data)
{
    destination(data, 0);
}

static void
crashed(gconstpointer data)
{
    destination(data, WIRE_ENDED_CRASHED);
}

/* The destination, by hand. */

static int
come_back(LinkScene *s, unsigned type)
{
    WireWelcome welcome;
    int fd =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &welcome);
    link_scene_say(fd, type,
                   type == WIRE_FRAME_ENDED
                       ? link_scene_ended(WIRE_ENDED_SHUT_DOWN)
                       : link_scene_reconnect(WIRE_RECONNECT_STARTED |
                                              WIRE_RECONNECT_COMPLETE));
    return fd;
}

static void
hear_bye(int fd)
{
    g_autoptr(GByteArray) payload = wire_peer_hear_frame(fd, WIRE_FRAME_BYE);
    uint64_t downtime_us = 0;
    g_assert_true(wire_bye_decode(payload, &downtime_us, NULL));
    g_assert_cmpuint(downtime_us, ==, DOWNTIME_US);
}

static void
confirm(int fd)
{
    hear_bye(fd);
    link_scene_say(fd, WIRE_FRAME_DONE, NULL);
    wire_peer_drain(fd);
}

static void
hear_it(LinkScene *s)
{
    confirm(s->control);
}

/* It says RUNNING again, and goes on to count. */
static void
hear_it_late(LinkScene *s)
{
    static const uint8_t none[16];
    link_scene_say(s->control, WIRE_FRAME_RUNNING, NULL);
    wire_peer_say_frame(s->control, WIRE_FRAME_PROGRESS, 16, none, 16);
    confirm(s->control);
}

static void
miss_it(LinkScene *s)
{
    fd_clear(&s->control);
    autofd fd = come_back(s, WIRE_FRAME_RECONNECT);
    confirm(fd);
}

static void
miss_it_often(LinkScene *s)
{
    fd_clear(&s->control);
    for (unsigned i = 0; i < 12; i++) {
        autofd fd = come_back(s, WIRE_FRAME_RECONNECT);
    }
    autofd fd = come_back(s, WIRE_FRAME_RECONNECT);
    confirm(fd);
}

/* The guest has ended meanwhile; nothing of that is new. */
static void
miss_it_and_end(LinkScene *s)
{
    fd_clear(&s->control);
    autofd fd = come_back(s, WIRE_FRAME_ENDED);
    confirm(fd);
}

static void
miss_it_after_strangers(LinkScene *s)
{
    static const uint8_t none[WIRE_SESSION_BYTES];
    WireWelcome welcome;
    fd_clear(&s->control);
    autofd stranger = link_scene_dial(s, WIRE_ROLE_CONTROL, 0, none, &welcome);
    g_assert_cmpint(welcome.status, ==, WIRE_STATUS_SESSION);
    autofd fd = come_back(s, WIRE_FRAME_RECONNECT);
    confirm(fd);
}

static void
talk_nonsense(LinkScene *s)
{
    fd_clear(&s->control);
    autofd fd = come_back(s, WIRE_FRAME_DONE);
    wire_peer_drain(fd);
    autofd again = come_back(s, WIRE_FRAME_RECONNECT);
    confirm(again);
}

typedef struct {
    const char *name;
    void (*destination)(LinkScene *scene);
} Source;

static const Source sources[] = {
    {"heard", hear_it},
    {"heard-late", hear_it_late},
    {"missed", miss_it},
    {"missed-often", miss_it_often},
    {"missed-and-ended", miss_it_and_end},
    {"missed-strangers-first", miss_it_after_strangers},
    {"missed-nonsense-first", talk_nonsense},
};

static void
source(gconstpointer data)
{
    const Source *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = s.session->peer.linked = true;
    s.session->source.running = true;
    s.session->report.downtime_ms = DOWNTIME_US / 1000.0;
    link_scene_play(&s, c->destination);
    uint64_t began_ns = fd_now_ns();
    g_assert_true(migrate_source_settle(s.session, &error));
    g_assert_no_error(error);
    /* It is sure that it was heard, so it does not wait to be called again; and
     * who calls is heard at once. */
    g_assert_cmpfloat(fd_seconds_since(began_ns), <, 3);
    g_assert_null(s.session->peer.control);
    g_assert_cmpuint(s.session->report.pages.total, ==, LINK_PAGES);
    link_scene_clear(&s);
}

/* How the guest ended there is the outcome here. */
static void
source_ended(gconstpointer data)
{
    WireEndedCode code = (WireEndedCode)GPOINTER_TO_INT(data);
    bool crash = code == WIRE_ENDED_CRASHED;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = s.session->peer.linked = true;
    s.session->guest.ended = code;
    s.session->guest.ended_words = g_strdup("for a test");
    s.session->report.downtime_ms = DOWNTIME_US / 1000.0;
    link_scene_play(&s, hear_it);
    g_assert_cmpint(migrate_source_settle(s.session, &error), ==, !crash);
    g_assert_cmpint(error_is(error, ERROR_VM_GONE), ==, crash);
    g_assert_nonnull(strstr(crash ? error->message : s.session->report.reason,
                            "on the destination"));
    link_scene_clear(&s);
}

static gboolean
interrupt(gpointer data)
{
    ((MigrateSession *)data)->operator.interrupted = true;
    return G_SOURCE_REMOVE;
}

/* Nobody needs the process any more: a signal ends it. */
static void
source_interrupted(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = s.session->peer.linked = true;
    fd_clear(&s.control);
    g_timeout_add(100, interrupt, s.session);
    uint64_t began_ns = fd_now_ns();
    g_assert_true(migrate_source_settle(s.session, &error));
    g_assert_cmpfloat(fd_seconds_since(began_ns), <, 5);
    link_scene_clear(&s);
}

/* The same of a destination whose guest has ended; its source is silent. */
static void
destination_interrupted(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    MigrateSession *session = s.session;
    session->past_no_return = session->peer.linked = true;
    session->guest.ended = WIRE_ENDED_STOPPED;
    session->guest.ended_words = g_strdup("for a test");
    session->guest.gone = true;
    session->options.peer_timeout_s = 60;
    fd_clear(&s.listener);
    g_timeout_add(100, interrupt, session);
    uint64_t began_ns = fd_now_ns();
    g_assert_true(migrate_settle_destination(session, &error));
    g_assert_cmpfloat(fd_seconds_since(began_ns), <, 4);
    g_assert_true(session->peer.control_lost);
    link_scene_clear(&s);
}

#define ADD(group, cases, run)                                                 \
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {                         \
        g_autofree char *path =                                                \
            g_strconcat("/settle/" group "/", cases[i].name, NULL);            \
        g_test_add_data_func(path, &cases[i], run);                            \
    }

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A source that cannot be told is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_data_func("/settle/destination/arrived/bye", &destinations[0],
                         arrived);
    g_test_add_data_func("/settle/destination/arrived/bye-lost",
                         &destinations[2], arrived);
    ADD("destination/crashed", destinations, crashed)
    g_test_add_func("/settle/destination/interrupted", destination_interrupted);
    ADD("source", sources, source)
    g_test_add_data_func("/settle/source/shut-down",
                         GINT_TO_POINTER(WIRE_ENDED_SHUT_DOWN), source_ended);
    g_test_add_data_func("/settle/source/crashed",
                         GINT_TO_POINTER(WIRE_ENDED_CRASHED), source_ended);
    g_test_add_func("/settle/source/interrupted", source_interrupted);
    return g_test_run();
}
