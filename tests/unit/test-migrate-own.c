/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From RUN to the last page where we drive QEMU ourselves: whatever is lost on
 * the way is found again, unless QEMU has ended. A monitor by script, the other
 * side by hand; no guest.
 */
#include "migrate/drive/migrate-own.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/link-scene.h"

#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    void (*source)(LinkScene *scene); /* on a thread of its own; or NULL */
    bool complete;                    /* all is here from the beginning */
    bool qemu_ended;                  /* its process, likewise */
    WireEndedCode ended;
    unsigned rejoins;
} Destination;

static const QmpPeerStep quiet[] = {{QMP_PEER_GREET}, END};
static const QmpPeerStep closes[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
static const QmpPeerStep powers_off[] = {
    {QMP_PEER_GREET}, SAYS_SHUTDOWN("guest-shutdown"), {QMP_PEER_CLOSE}};
/* With -no-shutdown it stays, and may be reset and go on. */
static const QmpPeerStep stays[] = {
    {QMP_PEER_GREET}, SAYS_SHUTDOWN("guest-shutdown"), SAYS("STOP"), END};

static void
hear_running(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    wire_peer_drain(s->control);
}

/* Its new set: nothing of what was missing holds data any more. */
static void
let_in_again(LinkScene *s)
{
    link_scene_let_in_again(s, WIRE_RECONNECT_STARTED, 2);
}

static void
hang_up(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    shutdown(s->control, SHUT_RDWR);
    let_in_again(s);
}

static void
be_gone_before(LinkScene *s)
{
    shutdown(s->control, SHUT_RDWR);
    let_in_again(s);
}

static void
say_nothing(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    let_in_again(s);
}

/* It may not, after RUN. */
static void
say_abort(LinkScene *s)
{
    GByteArray *payload = g_byte_array_new();
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    wire_abort_encode("of two minds", payload);
    link_scene_say(s->control, WIRE_FRAME_ABORT, payload);
    wire_peer_drain(s->control);
    let_in_again(s);
}

/* A word that nobody waits for is not heard, nor what comes after it. */
static void
say_armed(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    link_scene_say(s->control, WIRE_FRAME_ARMED, NULL);
    let_in_again(s);
}

static const Destination destinations[] = {
    {"complete", quiet, hear_running, true},
    {"lost", quiet, hang_up, .rejoins = 1},
    {"lost-before", quiet, be_gone_before, .rejoins = 1},
    {"silent", quiet, say_nothing, .rejoins = 1},
    {"aborted", quiet, say_abort, .rejoins = 1},
    {"nonsense", quiet, say_armed, .rejoins = 1},
    {"shut-down-and-stays", stays, hang_up, .rejoins = 1},
    {"shut-down", powers_off, NULL, .qemu_ended = true,
     .ended = WIRE_ENDED_SHUT_DOWN},
    {"crashed", closes, NULL, .qemu_ended = true, .ended = WIRE_ENDED_CRASHED},
};

static void
destination(gconstpointer data)
{
    const Destination *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, c->steps);
    MigrateSession *session = s.session;
    session->past_no_return = session->destination.ran = true;
    session->destination.wanted[0][0] = !c->complete;
    if (c->qemu_ended) {
        session_scene_end_qemu(&s.guest);
    }
    if (c->source) {
        link_scene_play(&s, c->source);
    } else { /* nobody is to be looked for */
        fd_clear(&s.listener);
    }
    g_assert_true(migrate_own.destination_postcopy(session, &error));
    g_assert_no_error(error);
    g_assert_cmpint(session->guest.ended, ==, c->ended);
    g_assert_cmpuint(session->peer.rejoins, ==, c->rejoins);
    g_assert_cmpint(session->report.arrived_ns != 0, ==, c->ended == 0);
    g_assert_true(session->past_no_return);
    link_scene_clear(&s);
}

/* Who took over found QEMU gone: there is nobody to say anything to. */
static void
ended_before(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    char byte;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    s.session->guest.ended = WIRE_ENDED_STOPPED;
    g_assert_true(migrate_own.destination_postcopy(s.session, &error));
    g_assert_cmpint(recv(s.control, &byte, 1, MSG_DONTWAIT), <, 0);
    link_scene_clear(&s);
}

/* The source, to DONE, or to what stands for it. */
static void
say_done(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_RUNNING, NULL);
    link_scene_say(s->control, WIRE_FRAME_DONE, NULL);
}

static void
say_ended(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_ENDED,
                   link_scene_ended(WIRE_ENDED_STOPPED));
}

static void
come_back_complete(LinkScene *s)
{
    WireWelcome welcome;
    shutdown(s->control, SHUT_RDWR);
    autofd fd =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &welcome);
    link_scene_say(
        fd, WIRE_FRAME_RECONNECT,
        link_scene_reconnect(WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE));
    wire_peer_drain(fd);
}

typedef struct {
    const char *name;
    void (*destination)(LinkScene *scene);
    WireEndedCode ended;
} Source;

static const Source sources[] = {
    {"done", say_done},
    {"ended", say_ended, WIRE_ENDED_STOPPED},
    {"back-and-complete", come_back_complete},
};

static void
source(gconstpointer data)
{
    const Source *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, quiet);
    MigrateSession *session = s.session;
    session->past_no_return = session->peer.linked = true;
    session->source.running = true;
    session->peer.heard_ns = fd_now_ns();
    link_scene_play(&s, c->destination);
    g_assert_true(migrate_own.source_postcopy(session, &error));
    g_assert_no_error(error);
    g_assert_cmpint(session->guest.ended, ==, c->ended);
    g_assert_cmpint(session->report.arrived_ns != 0, ==, c->ended == 0);
    link_scene_clear(&s);
}

#define ADD(group, cases, run)                                                 \
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {                         \
        g_autofree char *path =                                                \
            g_strconcat("/own/" group "/", cases[i].name, NULL);               \
        g_test_add_data_func(path, &cases[i], run);                            \
    }

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is lost is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    ADD("destination", destinations, destination)
    g_test_add_func("/own/destination/ended-before", ended_before);
    ADD("source", sources, source)
    return g_test_run();
}
