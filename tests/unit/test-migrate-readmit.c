/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source after RUN: what a destination that comes back may say, what one
 * that stays may, and what is sent to it. A destination by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/link/migrate-readmit.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/link/migrate-outlet.h"
#include "tests/unit/link-scene.h"

static bool
never(MigrateSession *session)
{
    return false;
}

static int
dial_control(LinkScene *s)
{
    WireWelcome welcome;
    int fd =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &welcome);
    g_assert_cmpint(welcome.status, ==, WIRE_STATUS_OK);
    return fd;
}

static void
say_complete(LinkScene *s)
{
    autofd fd = dial_control(s);
    link_scene_say(
        fd, WIRE_FRAME_RECONNECT,
        link_scene_reconnect(WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE));
    wire_peer_drain(fd);
}

/* What was lost is waited for without a time limit. */
static void
wait_for_complete(LinkScene *s)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(migrate_readmit_wait(s->session, never, "the end", &error));
    g_assert_no_error(error);
    g_assert_true(s->session->source.complete);
}

/* After a WELCOME, and instead of a talk: it costs this connection only. */
typedef struct {
    const char *name;
    void (*say)(int fd);
} Talk;

static void
say_done(int fd)
{
    link_scene_say(fd, WIRE_FRAME_DONE, NULL);
}

static void
say_cut_resume(int fd)
{
    wire_peer_say_frame(fd, WIRE_FRAME_RECONNECT, 1, "", 1);
}

static void
say_cut_ended(int fd)
{
    wire_peer_say_frame(fd, WIRE_FRAME_ENDED, 1, "", 1);
}

static void
say_unknown_end(int fd)
{
    link_scene_say(fd, WIRE_FRAME_ENDED,
                   link_scene_ended((WireEndedCode)(WIRE_ENDED_LAST + 1)));
}

static void
say_resume(int fd)
{
    link_scene_say(fd, WIRE_FRAME_RECONNECT, link_scene_reconnect(0));
}

static void
say_resume_twice(int fd)
{
    say_resume(fd);
    say_resume(fd);
}

static void
say_present(int fd, unsigned block, uint64_t first, uint32_t n)
{
    say_resume(fd);
    link_scene_say(fd, WIRE_FRAME_PRESENT, link_scene_present(block, first, n));
}

static void
say_other_block(int fd)
{
    say_present(fd, 1, 0, 1);
}

static void
say_page_behind(int fd)
{
    say_present(fd, 0, LINK_PAGES, 1);
}

static void
say_pages_over_the_end(int fd)
{
    say_present(fd, 0, PAGES_PER_EXTENT, PAGES_PER_EXTENT + 1);
}

static void
say_page_nowhere(int fd)
{
    say_present(fd, 0, UINT64_MAX - PAGES_PER_EXTENT + 1, PAGES_PER_EXTENT);
}

static void
say_abort(int fd)
{
    GByteArray *payload = g_byte_array_new();
    wire_abort_encode("of two minds", payload);
    link_scene_say(fd, WIRE_FRAME_ABORT, payload);
}

static void
hang_up(int fd)
{
    shutdown(fd, SHUT_WR);
}

static const Talk talks[] = {
    {"done", say_done},
    {"resume-cut-short", say_cut_resume},
    {"ended-cut-short", say_cut_ended},
    {"ended-somehow", say_unknown_end},
    {"resume-twice", say_resume_twice},
    {"present/other-block", say_other_block},
    {"present/behind", say_page_behind},
    {"present/over-the-end", say_pages_over_the_end},
    {"present/nowhere", say_page_nowhere},
    {"aborted", say_abort},
    {"hung-up", hang_up},
};

static const Talk *talk_now;

static void
talk_then_complete(LinkScene *s)
{
    autofd fd = dial_control(s);
    talk_now->say(fd);
    wire_peer_drain(fd);
    say_complete(s);
}

static void
talk(gconstpointer data)
{
    LinkScene s;
    talk_now = data;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    s.session->source.running = true;
    migrate_readmit_begin(s.session);
    link_scene_play(&s, talk_then_complete);
    wait_for_complete(&s);
    g_assert_cmpint(s.session->guest.ended, ==, 0);
    g_assert_cmpuint(s.session->peer.rejoins, ==, 2);
    link_scene_clear(&s);
}

/* Data pages of one extent that come over FD, and no others. */
static unsigned
count_pushed(int fd, uint64_t not_below)
{
    WireExtentBytes bytes;
    WireExtent extent;
    unsigned n = 0;
    for (;;) {
        g_assert_true(wire_peer_read(fd, &bytes, sizeof bytes));
        g_assert_true(wire_extent_decode(&bytes, &extent, NULL));
        if (extent.type == WIRE_END) {
            return n;
        }
        for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
            uint8_t page[PAGE_BYTES];
            if (extent.data[i / 64] >> (i % 64) & 1) {
                g_assert_cmpuint(extent.extent * PAGES_PER_EXTENT + i, >=,
                                 not_below);
                g_assert_true(wire_peer_read(fd, page, sizeof page));
                n++;
            }
        }
    }
}

/* Its old connections are closed; of the new set each shows its ticket; what it
 * has is not sent again, all else is. */
static void
come_back(LinkScene *s)
{
    WireWelcome welcome;
    autofd control =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &welcome);
    wire_peer_drain(s->control);
    wire_peer_drain(s->urgent);
    wire_peer_drain(s->bulk);
    say_present(control, 0, 0, LINK_DATA_PAGES / 2);
    link_scene_hear(control, WIRE_FRAME_ACCEPT);
    link_scene_hear(control, WIRE_FRAME_EXTENTS);
    link_scene_hear(control, WIRE_FRAME_RUN);
    WireWelcome other;
    autofd stray =
        link_scene_dial(s, WIRE_ROLE_URGENT, 0, s->session->peer.id, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_SESSION);
    autofd urgent =
        link_scene_dial(s, WIRE_ROLE_URGENT, 0, welcome.session, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_OK);
    autofd bulk =
        link_scene_dial(s, WIRE_ROLE_BULK, 0, welcome.session, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_OK);
    g_assert_cmpuint(count_pushed(bulk, LINK_DATA_PAGES / 2), ==,
                     LINK_DATA_PAGES / 2);
    link_scene_say(control, WIRE_FRAME_RUNNING, NULL);
    link_scene_say(control, WIRE_FRAME_DONE, NULL);
    wire_peer_drain(control);
}

static void
back(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    MigrateSession *session = s.session;
    session->past_no_return = true;
    session->report.source_ran = false;
    g_assert_true(migrate_outlet_start_serving(session, &error));
    migrate_readmit_begin(session);
    link_scene_play(&s, come_back);
    for (bool done = false; !done;) {
        g_assert_true(migrate_readmit_wait(session, migrate_mailbox_has_frame,
                                           "the last page", &error));
        done = migrate_readmit_heard(session, WIRE_FRAME_DONE);
    }
    g_assert_true(session->peer.linked);
    g_assert_cmpuint(session->peer.rejoins, ==, 1);
    link_scene_clear(&s);
}

/* While a talk goes on it has given it up, and dials again. */
static void
give_up_and_complete(LinkScene *s)
{
    autofd first = dial_control(s);
    say_present(first, 0, 0, 1);
    link_scene_hear(first, WIRE_FRAME_ACCEPT);
    say_complete(s);
    wire_peer_drain(first);
}

static void
impatient(void)
{
    LinkScene s;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    link_scene_play(&s, give_up_and_complete);
    wait_for_complete(&s);
    g_assert_cmpuint(s.session->peer.rejoins, ==, 2);
    link_scene_clear(&s);
}

/* A word of the destination that is connected, when DONE is waited for. */
typedef struct {
    const char *name;
    unsigned type;
    bool heard, linked, ended;
} Word;

static const Word words[] = {
    {"done", WIRE_FRAME_DONE, true, true, false},
    {"running", WIRE_FRAME_RUNNING, false, true, false},
    {"ended", WIRE_FRAME_ENDED, false, true, true},
    {"bye", WIRE_FRAME_BYE, false, false, false},
    {"run", WIRE_FRAME_RUN, false, false, false},
};

static void
word(gconstpointer data)
{
    const Word *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    g_assert_false(migrate_readmit_heard(s.session, c->type)); /* nothing */
    link_scene_say(s.control, c->type,
                   c->ended ? link_scene_ended(WIRE_ENDED_CRASHED) : NULL);
    g_assert_true(migrate_readmit_wait(s.session, migrate_mailbox_has_frame,
                                       "a word", &error));
    g_assert_cmpint(migrate_readmit_heard(s.session, WIRE_FRAME_DONE), ==,
                    c->heard);
    g_assert_cmpint(s.session->peer.linked, ==, c->linked);
    g_assert_cmpint(s.session->guest.ended == WIRE_ENDED_CRASHED, ==, c->ended);
    g_assert_cmpint(s.session->source.complete, ==, c->ended);
    if (!c->linked) {
        wire_peer_drain(s.control);
    }
    link_scene_clear(&s);
}

/* A set that is up and says nothing, for a second. */
static void
silent(void)
{
    LinkScene s;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    s.session->peer.heard_ns -= UINT64_C(2000000000);
    link_scene_play(&s, say_complete);
    wait_for_complete(&s);
    wire_peer_drain(s.control);
    link_scene_clear(&s);
}

/* ABORT brings the guest back only from a destination that has not said that it
 * runs there. */
static void
aborted(gconstpointer data)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    s.session->source.running = GPOINTER_TO_INT(data);
    migrate_readmit_begin(s.session);
    say_abort(s.control);
    if (s.session->source.running) {
        link_scene_play(&s, say_complete);
        wait_for_complete(&s);
    } else {
        g_assert_false(
            migrate_readmit_wait(s.session, never, "RUNNING", &error));
        g_assert_true(error_is(error, ERROR_PEER_GONE));
        g_assert_nonnull(strstr(error->message, "of two minds"));
    }
    link_scene_clear(&s);
}

/* It came back to hear whether RUN was said, and was stopped meanwhile. */
static void
abort_in_talk(LinkScene *s)
{
    autofd fd = dial_control(s);
    say_resume(fd);
    say_abort(fd);
    wire_peer_drain(fd);
}

static void
aborted_in_talk(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    link_scene_play(&s, abort_in_talk);
    g_assert_false(migrate_readmit_wait(s.session, never, "RUNNING", &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(error->message, "of two minds"));
    link_scene_clear(&s);
}

/* QEMU at the source is not needed: this process has the memory. */
static void
without_qemu(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
    LinkScene s;
    link_scene_init(&s, MIGRATE_SEND, steps);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    session_scene_end_qemu(&s.guest);
    link_scene_play(&s, say_complete);
    wait_for_complete(&s);
    link_scene_clear(&s);
}

/* The guest was started here as well: it is stopped, once, and the destination
 * hears of it; again when it comes back. */
static void
hear_source_runs(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_SOURCE_RUNS);
    say_complete(s);
}

static void
runs_here_too(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, SAYS("RESUME"), TOLD("\"stop\""), {QMP_PEER_END}};
    LinkScene s;
    link_scene_init(&s, MIGRATE_SEND, steps);
    s.session->past_no_return = true;
    migrate_readmit_begin(s.session);
    link_scene_play(&s, hear_source_runs);
    wait_for_complete(&s);
    g_assert_true(s.session->report.source_ran);
    g_assert_false(s.session->guest.resumed);
    link_scene_clear(&s);
}

#define ADD(group, cases, run)                                                 \
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {                         \
        g_autofree char *path =                                                \
            g_strconcat("/readmit/" group "/", cases[i].name, NULL);           \
        g_test_add_data_func(path, &cases[i], run);                            \
    }

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is lost is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    ADD("talk", talks, talk)
    ADD("word", words, word)
    g_test_add_func("/readmit/back", back);
    g_test_add_func("/readmit/impatient", impatient);
    g_test_add_func("/readmit/silent", silent);
    g_test_add_data_func("/readmit/aborted/before-running",
                         GINT_TO_POINTER(false), aborted);
    g_test_add_data_func("/readmit/aborted/after-running",
                         GINT_TO_POINTER(true), aborted);
    g_test_add_func("/readmit/aborted/in-talk", aborted_in_talk);
    g_test_add_func("/readmit/without-qemu", without_qemu);
    g_test_add_func("/readmit/runs-here-too", runs_here_too);
    return g_test_run();
}
