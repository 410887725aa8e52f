/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Following QEMU at the source: what its driver does without asking, and that
 * nobody leaves before it is sure whose the guest is. A monitor by script, a
 * destination by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/drive/migrate-follow-source.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/drive/migrate-follow.h"
#include "tests/unit/link-scene.h"

#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }
#define CAPABILITIES_ARE(back, pause, ignore)                                  \
    CAPABILITIES(back, pause, ignore), CAPABILITIES(back, pause, ignore),      \
        CAPABILITIES(back, pause, ignore)
#define BEGINS {QMP_PEER_GREET}, SAYS_MIGRATION("setup")
#define ACTIVE                                                                 \
    BEGINS, CAPABILITIES_ARE(ON, ON, ON), SAME_GUEST, SAYS_MIGRATION("active")

/* Up to the moment when RAM is final. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    ErrorCode code;
    const char *words; /* NULL: it works */
} Freeze;

static const QmpPeerStep waits[] = {ACTIVE, SAYS_MIGRATION("pre-switchover"),
                                    END};
static const QmpPeerStep goes_on[] = {ACTIVE, SAYS_MIGRATION("pre-switchover"),
                                      SAYS_MIGRATION("device"), END};
static const QmpPeerStep nobody[] = {{QMP_PEER_GREET}, END};
static const QmpPeerStep pause_off[] = {BEGINS, CAPABILITIES(ON, OFF, ON), END};
static const QmpPeerStep return_off[] = {BEGINS, CAPABILITIES(OFF, ON, ON),
                                         CAPABILITIES(OFF, ON, ON), END};
static const QmpPeerStep ignore_off[] = {BEGINS, CAPABILITIES_ARE(ON, ON, OFF),
                                         END};
static const QmpPeerStep plugged[] = {BEGINS, CAPABILITIES_ARE(ON, ON, ON),
                                      OTHER_RAM, END};
static const QmpPeerStep fails[] = {ACTIVE, SAYS_MIGRATION("failed"),
                                    MIGRATION_FAILED("no route"), END};
static const QmpPeerStep cancelled[] = {ACTIVE, SAYS_MIGRATION("cancelling"),
                                        SAYS_MIGRATION("cancelled"),
                                        MIGRATION_IS("cancelled"), END};
static const QmpPeerStep ends[] = {ACTIVE, {QMP_PEER_CLOSE}};

static const Freeze freezes[] = {
    {"waits", waits, 0, NULL},
    {"goes-on", goes_on, 0, NULL},
    {"nobody-begins", nobody, ERROR_RETRY, "libvirt or an operator to start"},
    {"pause-off", pause_off, ERROR_STATE, "pause-before-switchover switched"},
    {"return-path-off", return_off, ERROR_STATE, "return-path switched off"},
    {"x-ignore-shared-off", ignore_off, ERROR_STATE, "x-ignore-shared switche"},
    {"plugged", plugged, ERROR_STATE, "has another size"},
    {"fails", fails, ERROR_FAILED, "migration failed: no route"},
    {"cancelled", cancelled, ERROR_FAILED, "was cancelled"},
    {"ends", ends, ERROR_VM_GONE, "switchover"},
};

static void
freeze(gconstpointer data)
{
    const Freeze *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    s.session->options.follow = true;
    bool ok = migrate_follow_source_freeze(s.session, &error);
    g_assert_cmpint(ok, ==, !c->words);
    if (c->words) {
        g_assert_true(error_is(error, c->code));
        g_assert_nonnull(strstr(error->message, c->words));
    }
    link_scene_clear(&s);
}

/* The way back, from wherever QEMU is. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    const char *heard; /* the last that QEMU had said of its migration */
    bool ended;        /* its process has, too */
    bool too_late;
    const char *words; /* why, afterwards; NULL: as before */
} Retreat;

#define ASKS(migration, state) MIGRATION_IS(migration), STATE_IS(state)

static const QmpPeerStep never_began[] = {
    {QMP_PEER_GREET}, MIGRATION("{}"), STATE_IS("running"), SWITCHED, END};
static const QmpPeerStep by_us[] = {{QMP_PEER_GREET},
                                    ASKS("active", "running"),
                                    TOLD("migrate_cancel"),
                                    ASKS("cancelling", "running"),
                                    TOLD("migrate-continue"),
                                    ASKS("cancelled", "running"),
                                    SAYS_MIGRATION("cancelled"),
                                    SWITCHED,
                                    END};
static const QmpPeerStep by_itself[] = {
    {QMP_PEER_GREET}, SAYS_MIGRATION("failed"),     ASKS("failed", "running"),
    SWITCHED,         MIGRATION_FAILED("no route"), END};
static const QmpPeerStep by_driver[] = {{QMP_PEER_GREET},
                                        ASKS("cancelling", "running"),
                                        TOLD("migrate-continue"),
                                        SAYS_MIGRATION("cancelled"),
                                        ASKS("cancelled", "running"),
                                        SWITCHED,
                                        MIGRATION_IS("cancelled"),
                                        END};
/* Idle, but it does not let the capability go yet. */
static const QmpPeerStep not_yet[] = {
    {QMP_PEER_GREET},
    ASKS("cancelled", "running"),
    REFUSED("migrate-set-capabilities", "a migration is in progress"),
    ALL_ON,
    ASKS("cancelled", "running"),
    SWITCHED,
    END};
static const QmpPeerStep not_said[] = {{QMP_PEER_GREET},
                                       REFUSED("query-migrate\"", "not now"),
                                       MIGRATION_IS("failed"),
                                       REFUSED("query-status", "not now"),
                                       ASKS("failed", "running"),
                                       SWITCHED,
                                       END};
static const QmpPeerStep given_away[] = {
    {QMP_PEER_GREET}, ASKS("completed", "postmigrate"), END};
static const QmpPeerStep just_given_away[] = {
    {QMP_PEER_GREET},
    ASKS("device", "finish-migrate"),
    TOLD("migrate_cancel"),
    ASKS("completed", "finish-migrate"),
    END};
static const QmpPeerStep came_here_once[] = {
    {QMP_PEER_GREET}, ASKS("completed", "running"), SWITCHED, END};
static const QmpPeerStep taken_back[] = {
    {QMP_PEER_GREET}, {QMP_PEER_WAIT},
    SAYS("RESUME"),   ASKS("completed", "running"),
    SWITCHED,         END};
static const QmpPeerStep gone[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
static const QmpPeerStep gone_later[] = {
    {QMP_PEER_GREET},
    {QMP_PEER_HEAR, "query-migrate\"", NULL},
    {QMP_PEER_CLOSE}};

static const Retreat retreats[] = {
    {"home/never-began", never_began, NULL, false, false, NULL},
    {"home/by-us", by_us, "active", false, false, NULL},
    {"home/by-itself", by_itself, "active", false, false, "no route"},
    {"home/by-its-driver", by_driver, "active", false, false, "was cancelled"},
    {"home/not-yet", not_yet, "active", false, false, NULL},
    {"home/not-said", not_said, "device", false, false, NULL},
    {"home/came-here-once", came_here_once, NULL, false, false, NULL},
    {"home/taken-back", taken_back, "completed", false, false, NULL},
    {"away/asked", given_away, "device", false, true, NULL},
    {"away/meanwhile", just_given_away, "device", false, true, NULL},
    {"away/heard", nobody, "completed", false, true, NULL},
    {"away/heard-and-gone", gone, "completed", true, true, NULL},
    {"gone/at-active", gone, "active", true, false, NULL},
    {"gone/at-pre-switchover", gone, "pre-switchover", true, true, NULL},
    {"gone/at-device", gone_later, "device", true, true, NULL},
    {"gone/failed", gone, "failed", true, false, NULL},
};

static void
retreat(gconstpointer data)
{
    const Retreat *c = data;
    LinkScene s;
    g_autoptr(GError) why = NULL;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    s.session->options.follow = true;
    s.session->guest.migration = g_strdup(c->heard);
    s.session->operator.interrupted = true; /* a signal does not shorten it */
    if (c->ended) {
        session_scene_end_qemu(&s.guest);
    }
    if (c->steps == taken_back) {
        link_scene_let_monitor_speak(&s);
    }
    error_set(&why, ERROR_CANCELLED, "stopped by a signal");
    g_assert_cmpint(migrate_follow_source_is_too_late(s.session, &why), ==,
                    c->too_late);
    g_assert_nonnull(
        strstr(why->message, c->words ? c->words : "stopped by a signal"));
    link_scene_clear(&s);
}

/* For who takes over from a sender that was killed. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps; /* NULL: QEMU has ended */
    bool refused;             /* the destination had said that */
    bool passed, unasked, begun;
} Unseen;

static const QmpPeerStep put_right[] = {
    {QMP_PEER_GREET}, CAPABILITIES(ON, ON, OFF), END};
static const QmpPeerStep as_left_home[] = {
    {QMP_PEER_GREET}, ALL_ON, ASKS("cancelled", "running"), SWITCHED, END};
static const QmpPeerStep as_left_away[] = {
    {QMP_PEER_GREET}, ALL_ON, ASKS("completed", "postmigrate"), END};
static const QmpPeerStep as_left[] = {{QMP_PEER_GREET}, ALL_ON, END};
static const QmpPeerStep mute[] = {
    {QMP_PEER_GREET}, REFUSED("query-migrate-capabilities", "not now"), END};

static const Unseen unseens[] = {
    {"put-right", put_right, false, false, false, false},
    {"home", as_left_home, false, false, false, true},
    {"away", as_left_away, false, true, false, true},
    {"refused", as_left, true, false, false, true},
    {"no-answer", mute, false, false, true, false},
    {"gone", NULL, false, true, false, true},
    {"gone-and-refused", NULL, true, false, false, true},
};

static void
unseen(gconstpointer data)
{
    const Unseen *c = data;
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    QmpPeer *peer = c->steps ? qmp_peer_start(c->steps) : NULL;
    session->guest.gone = !peer;
    session->peer.refused = c->refused;
    if (peer) { /* which is of this process */
        session->options.qmp_path = (char *)qmp_peer_path(peer);
        session->guest.pid = getpid();
        g_assert_true(proc_life_started(session->guest.pid,
                                        &session->guest.started, &error));
    }
    g_assert_cmpint(migrate_follow_source_was_passed_unseen(session, &error),
                    ==, c->passed);
    g_assert_cmpint(session->source.unasked, ==, c->unasked);
    g_assert_cmpint(error != NULL, ==, c->unasked);
    g_assert_cmpint(session->source.begun, ==, c->begun);
    session_scene_clear(&s);
    if (peer) {
        qmp_peer_stop(peer);
    }
}

/* After "completed": the driver, or the destination, may see it otherwise. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    void (*destination)(LinkScene *scene);
    bool ok, running;
    const char *words; /* if not OK */
} After;

static void
say(LinkScene *s, unsigned type)
{
    link_scene_say(s->control, type, NULL);
}

static void
say_done(LinkScene *s)
{
    say(s, WIRE_FRAME_RUNNING);
    say(s, WIRE_FRAME_DONE);
}

static void
say_done_only(LinkScene *s)
{
    say(s, WIRE_FRAME_DONE);
}

static void
say_ended(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_ENDED,
                   link_scene_ended(WIRE_ENDED_SHUT_DOWN));
}

static void
say_abort(LinkScene *s)
{
    GByteArray *payload = g_byte_array_new();
    wire_abort_encode("QEMU ended here", payload);
    link_scene_say(s->control, WIRE_FRAME_ABORT, payload);
}

static void
take_back(LinkScene *s)
{
    link_scene_let_monitor_speak(s);
}

/* Whichever is heard first. */
static void
abort_and_take_back(LinkScene *s)
{
    say_abort(s);
    link_scene_let_monitor_speak(s);
}

static const QmpPeerStep resumes[] = {
    {QMP_PEER_GREET}, {QMP_PEER_WAIT}, SAYS("RESUME"), END};

static const After afters[] = {
    {"done", nobody, say_done, true, true, NULL},
    {"done-without-running", nobody, say_done_only, true, false, NULL},
    {"ended", nobody, say_ended, true, true, NULL},
    {"aborted", nobody, say_abort, false, false, "never ran on the dest"},
    {"taken-back", resumes, take_back, false, false, "was started again"},
    {"aborted-and-taken-back", resumes, abort_and_take_back, false, false,
     "was started again"},
};

static void
after(gconstpointer data)
{
    const After *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    MigrateSession *session = s.session;
    session->options.follow = session->past_no_return = session->peer.linked =
        true;
    session->guest.migration = g_strdup("completed");
    session->guest.stopped_us = g_get_real_time() - 1000;
    session->peer.heard_ns = fd_now_ns();
    c->destination(&s);
    g_assert_cmpint(migrate_follow_source_postcopy(session, &error), ==, c->ok);
    g_assert_cmpint(session->source.running, ==, c->running);
    g_assert_cmpint(session->past_no_return, ==, c->ok);
    g_assert_cmpint(session->peer.refused, ==, !c->ok);
    g_assert_cmpint(session->report.downtime_ms >= 1, ==,
                    c->destination == say_done);
    g_assert_cmpint(error == NULL, ==, c->ok);
    if (!c->ok) {
        g_assert_nonnull(strstr(error->message, c->words));
    }
    link_scene_clear(&s);
}

/* "completed" is the point of no return, whether the destination can be told or
 * not; of a QEMU that has ended without it nothing is said. */
static void
hear_run(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_EXTENTS);
    link_scene_hear(s->control, WIRE_FRAME_STOPPED);
    link_scene_hear(s->control, WIRE_FRAME_RUN);
    wire_peer_drain(s->control);
}

static void
commit(gconstpointer data)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    bool told = GPOINTER_TO_INT(data);
    link_scene_init(&s, MIGRATE_SEND, nobody);
    MigrateSession *session = s.session;
    session->options.follow = true;
    session->driver = &migrate_follow;
    session->guest.migration = g_strdup("completed");
    if (told) {
        link_scene_play(&s, hear_run);
    } else {
        fd_clear(&s.control);
    }
    g_assert_true(migrate_follow_source_commit(session, &error));
    g_assert_true(session->past_no_return);
    g_assert_cmpint(session->peer.linked, ==, told);
    g_assert_cmpint(session->source.push[0] != NULL, ==, told);
    link_scene_clear(&s);
}

static void
commit_gone(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    char byte;
    link_scene_init(&s, MIGRATE_SEND, nobody);
    s.session->options.follow = true;
    s.session->guest.migration = g_strdup("device");
    s.session->guest.gone = true;
    g_assert_true(migrate_follow_source_commit(s.session, &error));
    g_assert_true(s.session->past_no_return);
    g_assert_true(s.session->peer.linked);
    g_assert_cmpint(recv(s.control, &byte, 1, MSG_DONTWAIT), <, 0);
    link_scene_clear(&s);
}

/* A migration that was begun before anybody was armed is cancelled; another
 * one, that was there before us, is not, nor is one that is over. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    const char *heard;
    bool was_idle, too_early;
} Forbid;

static const QmpPeerStep forbids[] = {{QMP_PEER_GREET},
                                      ASKS("active", "running"),
                                      TOLD("migrate_cancel"),
                                      ASKS("cancelled", "running"),
                                      SWITCHED,
                                      END};

static const Forbid forbiddens[] = {
    {"begun", forbids, "active", true, true},
    {"none-begun", nobody, NULL, true, true},
    {"there-before", nobody, "active", false, true},
    {"armed", nobody, "active", true, false},
    {"failed", nobody, "failed", true, true},
};

static void
forbid(gconstpointer data)
{
    const Forbid *c = data;
    LinkScene s;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    s.session->options.follow = true;
    s.session->guest.migration = g_strdup(c->heard);
    s.session->guest.was_idle = c->was_idle;
    s.session->guest.too_early = c->too_early;
    migrate_follow_source_forbid(s.session);
    link_scene_clear(&s);
}

#define ADD(group, cases, run)                                                 \
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {                         \
        g_autofree char *path =                                                \
            g_strconcat("/follow-source/" group "/", cases[i].name, NULL);     \
        g_test_add_data_func(path, &cases[i], run);                            \
    }

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is not known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    ADD("freeze", freezes, freeze)
    ADD("retreat", retreats, retreat)
    ADD("unseen", unseens, unseen)
    ADD("postcopy", afters, after)
    ADD("forbid", forbiddens, forbid)
    g_test_add_data_func("/follow-source/commit/told", GINT_TO_POINTER(true),
                         commit);
    g_test_add_data_func("/follow-source/commit/not-told",
                         GINT_TO_POINTER(false), commit);
    g_test_add_func("/follow-source/commit/gone", commit_gone);
    return g_test_run();
}
