/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looking for a source that is lost: while somebody starts the guest here, and
 * while the source says what it should not. A monitor by script, a source by
 * hand, or none.
 */
#include "migrate/link/migrate-rejoin.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/link/migrate-intake.h"
#include "tests/unit/link-scene.h"

/* Before RUN was heard it may run at the source as well; each time. */
static const QmpPeerStep unknown[] = {{QMP_PEER_GREET}, SAYS("RESUME"),
                                      TOLD("\"stop\""), SAYS("RESUME"),
                                      TOLD("\"stop\""), {QMP_PEER_END}};
/* It cannot be helped, and is said. */
static const QmpPeerStep stays[] = {{QMP_PEER_GREET},
                                    SAYS("RESUME"),
                                    REFUSED("\"stop\"", "not now"),
                                    {QMP_PEER_END}};
/* With --follow whoever drives QEMU starts it. */
static const QmpPeerStep driven[] = {
    {QMP_PEER_GREET}, SAYS("RESUME"), {QMP_PEER_END}};

static bool
rejoin(LinkScene *s, GError **error)
{
    g_autoptr(GError) lost = NULL;
    error_set(&lost, ERROR_PEER_GONE, "the connection is lost");
    return migrate_rejoin(s->session, lost, error);
}

static void
look(const QmpPeerStep *steps, bool follow)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, steps);
    fd_clear(&s.listener); /* nobody is there */
    s.session->options.follow = follow;
    g_assert_false(rejoin(&s, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_cmpint(s.session->guest.resumed, ==, follow);
    link_scene_clear(&s);
}

static void
before_run(void)
{
    look(unknown, false);
}

static void
not_to_be_stopped(void)
{
    look(stays, false);
}

static void
followed(void)
{
    look(driven, true);
}

/* What the source says the first time: it is dialled again. */
typedef struct {
    const char *name;
    WireStatus status;
    void (*say)(int fd);
} Answer;

static void
say_accept(int fd, unsigned streams)
{
    GByteArray *payload = g_byte_array_new();
    wire_accept_encode(streams, payload);
    link_scene_say(fd, WIRE_FRAME_ACCEPT, payload);
}

static void
say_run_first(int fd)
{
    link_scene_say(fd, WIRE_FRAME_RUN, link_scene_run(true));
}

static void
say_cut_accept(int fd)
{
    wire_peer_say_frame(fd, WIRE_FRAME_ACCEPT, 1, "\1", 1);
}

static void
say_no_streams(int fd)
{
    say_accept(fd, 0);
}

static void
say_too_many_streams(int fd)
{
    say_accept(fd, WIRE_MAX_STREAMS + 1);
}

static void
say_extents(int fd, unsigned block, unsigned flags, uint32_t n)
{
    static const uint8_t none[8];
    GByteArray *payload = g_byte_array_new();
    const WireExtents extents = {
        .block = block, .flags = flags, .n_extents = n, .bitmap = none};
    say_accept(fd, 1);
    wire_extents_encode(&extents, payload);
    link_scene_say(fd, WIRE_FRAME_EXTENTS, payload);
}

static void
say_plan(int fd)
{
    say_extents(fd, 0, WIRE_EXTENTS_LAST, 2);
}

static void
say_more_extents(int fd)
{
    say_extents(fd, 0, WIRE_EXTENTS_FINAL | WIRE_EXTENTS_LAST, 3);
}

static void
say_other_block(int fd)
{
    say_extents(fd, 1, WIRE_EXTENTS_FINAL | WIRE_EXTENTS_LAST, 2);
}

static void
say_cut_run(int fd)
{
    say_accept(fd, 1);
    link_scene_say(fd, WIRE_FRAME_EXTENTS, link_scene_extents());
    wire_peer_say_frame(fd, WIRE_FRAME_RUN, 1, "\1", 1);
}

static void
say_all(int fd, unsigned streams)
{
    say_accept(fd, streams);
    link_scene_say(fd, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(fd, WIRE_FRAME_RUN, link_scene_run(true));
}

/* Its other connections find nobody. */
static void
say_all_and_leave(int fd)
{
    say_all(fd, 1);
}

static const Answer answers[] = {
    {"at-once", WIRE_STATUS_OK, NULL},
    {"busy", WIRE_STATUS_BUSY, NULL},
    {"not-known", WIRE_STATUS_SESSION, NULL},
    {"run-first", WIRE_STATUS_OK, say_run_first},
    {"accept-cut-short", WIRE_STATUS_OK, say_cut_accept},
    {"no-streams", WIRE_STATUS_OK, say_no_streams},
    {"too-many-streams", WIRE_STATUS_OK, say_too_many_streams},
    {"extents/not-final", WIRE_STATUS_OK, say_plan},
    {"extents/too-many", WIRE_STATUS_OK, say_more_extents},
    {"extents/other-block", WIRE_STATUS_OK, say_other_block},
    {"run-cut-short", WIRE_STATUS_OK, say_cut_run},
    {"others-lost", WIRE_STATUS_OK, say_all_and_leave},
};

static const Answer *answer_now;

static void
answer_wrongly(const LinkScene *s)
{
    autofd fd = wire_peer_accept(s->listener);
    wire_peer_hear_hello(fd);
    wire_peer_say_welcome(fd, WIRE_VERSION, answer_now->status);
    if (answer_now->say) {
        answer_now->say(fd);
    }
    if (answer_now->say == say_all_and_leave) {
        autofd urgent = wire_peer_accept(s->listener);
        wire_peer_hear_hello(urgent);
        wire_peer_say_welcome(urgent, WIRE_VERSION, WIRE_STATUS_ROLE);
    }
    if (answer_now->status == WIRE_STATUS_OK) {
        wire_peer_drain(fd);
    }
}

/* What is there is said, of the rest nothing; and more streams than before. */
static void
answer(LinkScene *s)
{
    if (answer_now != &answers[0]) {
        answer_wrongly(s);
    }
    autofd fd = link_scene_accept(s, WIRE_ROLE_CONTROL);
    g_autoptr(GByteArray) resume =
        wire_peer_hear_frame(fd, WIRE_FRAME_RECONNECT);
    g_autoptr(GByteArray) first = wire_peer_hear_frame(fd, WIRE_FRAME_PRESENT);
    g_autoptr(GByteArray) last = wire_peer_hear_frame(fd, WIRE_FRAME_PRESENT);
    WirePresent present;
    unsigned flags = 1;
    g_assert_true(wire_reconnect_decode(resume, &flags, NULL));
    g_assert_cmpuint(flags, ==, 0);
    g_assert_true(wire_present_decode(first, &present, NULL));
    g_assert_cmpuint(present.n_pages, ==, LINK_PAGES);
    for (unsigned i = 0; i < LINK_PAGES; i++) {
        g_assert_cmpint(present.bitmap[i / 8] >> (i % 8) & 1, ==,
                        i >= LINK_PAGES / 2);
    }
    g_assert_true(wire_present_decode(last, &present, NULL));
    g_assert_cmpuint(present.flags, ==, WIRE_PRESENT_LAST);
    say_all(fd, 2);
    autofd urgent = link_scene_accept(s, WIRE_ROLE_URGENT);
    autofd bulk = link_scene_accept(s, WIRE_ROLE_BULK);
    autofd more = link_scene_accept(s, WIRE_ROLE_BULK);
    wire_peer_drain(more);
}

static void
find(gconstpointer data)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    answer_now = data;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    MigrateSession *session = s.session;
    session->options.peer_timeout_s = 20;
    session->destination.wanted[0][0] = 1;
    migrate_intake_mark_holes(session); /* the second extent */
    link_scene_play(&s, answer);
    g_assert_true(rejoin(&s, &error));
    g_assert_no_error(error);
    g_assert_true(session->peer.linked);
    g_assert_true(session->destination.start_guest);
    g_assert_false(session->past_no_return);
    g_assert_cmpuint(session->peer.n_streams, ==, 2);
    g_assert_nonnull(session->destination.fill[1]);
    g_assert_cmpuint(session->peer.rejoins, ==, 1);
    link_scene_clear(&s);
}

/* After RUN it is looked for as long as QEMU lives. */
static void
without_qemu(void)
{
    static const QmpPeerStep closes[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, closes);
    fd_clear(&s.listener);
    session_scene_end_qemu(&s.guest);
    s.session->past_no_return = true;
    g_assert_false(rejoin(&s, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    link_scene_clear(&s);
}

static void
interrupted(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    fd_clear(&s.listener);
    s.session->options.peer_timeout_s = 60;
    s.session->operator.interrupted = true;
    g_assert_false(rejoin(&s, &error));
    g_assert_true(error_is(error, ERROR_CANCELLED));
    link_scene_clear(&s);
}

/* Up, and nothing comes: of two seconds each. */
typedef struct {
    const char *name;
    bool linked, unheard, no_flow;
    const char *words; /* NULL: it is well */
} Silence;

static const Silence silences[] = {
    {"none", true, false, false, NULL},
    {"not-linked", false, true, true, NULL},
    {"unheard", true, true, false, "the source sent nothing for 2."},
    {"no-flow", true, false, true, "pages are missing and none came for 2."},
    {"both", true, true, true, "the source sent nothing"},
};

static void
silence(gconstpointer data)
{
    const Silence *c = data;
    const uint64_t two_s = UINT64_C(2000000000);
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    MigrateSession *session = s.session;
    migrate_rejoin_begin(session);
    session->peer.linked = c->linked;
    session->peer.heard_ns -= c->unheard ? two_s : 0;
    session->destination.flow_ns -= c->no_flow ? two_s : 0;
    g_assert_cmpint(migrate_rejoin_is_silent(session, &error), ==,
                    c->words != NULL);
    g_assert_true(!c->words || strstr(error->message, c->words));
    g_assert_cmpint(error != NULL, ==, c->words != NULL);
    /* A single byte is as good as a page. */
    char byte = 0;
    wire_peer_write(s.bulk, &byte, 1);
    g_assert_true(wire_link_read(session->peer.bulk[0], &byte, 1, NULL));
    g_assert_cmpint(migrate_rejoin_is_silent(session, NULL), ==,
                    c->linked && c->unheard);
    link_scene_clear(&s);
}

/* The last word, to a source that is not there: for as long as it may take. */
static void
nobody_to_tell(void)
{
    LinkScene s;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    fd_clear(&s.listener);
    uint64_t began_ns = fd_now_ns();
    g_assert_false(migrate_rejoin_say_done(s.session, 300));
    g_assert_cmpuint(fd_now_ns() - began_ns, >=, UINT64_C(300000000));
    s.session->operator.interrupted = true;
    g_assert_false(migrate_rejoin_say_done(s.session, 60000));
    link_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* It is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/rejoin/started-before-run", before_run);
    g_test_add_func("/rejoin/not-to-be-stopped", not_to_be_stopped);
    g_test_add_func("/rejoin/followed", followed);
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *path =
            g_strconcat("/rejoin/answer/", answers[i].name, NULL);
        g_test_add_data_func(path, &answers[i], find);
    }
    g_test_add_func("/rejoin/without-qemu", without_qemu);
    g_test_add_func("/rejoin/interrupted", interrupted);
    for (size_t i = 0; i < G_N_ELEMENTS(silences); i++) {
        g_autofree char *path =
            g_strconcat("/rejoin/silence/", silences[i].name, NULL);
        g_test_add_data_func(path, &silences[i], silence);
    }
    g_test_add_func("/rejoin/nobody-to-tell", nobody_to_tell);
    return g_test_run();
}
