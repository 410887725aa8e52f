/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending a QEMU whose guest somebody may be starting: it ends only if the guest
 * was not started, and goes on otherwise. A monitor by script; a process stands
 * for QEMU.
 */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/drive/migrate-put-down.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define STATE(state)                                                           \
    {QMP_PEER_ANSWER,                                                          \
     "{\"running\": false, \"singlestep\": false, \"status\": \"" state       \
     "\"}",                                                                    \
     NULL}
#define EVENT(name)                                                            \
    {                                                                          \
        QMP_PEER_SAY,                                                          \
            "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "          \
            "\"event\": "                                                      \
            "\"" name "\"}\r\n",                                               \
            NULL                                                               \
    }
#define RESUME EVENT("RESUME")
#define STOP EVENT("STOP")
#define ASKED {QMP_PEER_GREET}, {QMP_PEER_HEAR, "query-status", NULL}

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    bool attended, ends;
} Case;

static const QmpPeerStep paused[] = {ASKED, STATE("paused"), {QMP_PEER_END}};
static const QmpPeerStep runs[] = {ASKED, STATE("running"), {QMP_PEER_END}};
/* "cont" came when the question had been answered. */
static const QmpPeerStep started_since[] = {
    ASKED, RESUME, STATE("paused"), {QMP_PEER_END}};
/* And "stop": it may have used its memory all the same. */
static const QmpPeerStep ran_since[] = {
    ASKED, RESUME, STOP, STATE("paused"), {QMP_PEER_END}};
static const QmpPeerStep mute[] = {ASKED, {QMP_PEER_END}};

static const Case cases[] = {
    {"paused", paused, false, true},
    {"runs", runs, false, false},
    {"started-since", started_since, false, false},
    {"ran-since", ran_since, false, false},
    {"waits-for-a-page", mute, false, true},
    {"attended/paused", paused, true, true},
    {"attended/started-since", started_since, true, false},
};

static char
state_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strrchr(text, ')')[2];
}

static void
wait_until(pid_t pid, char state)
{
    for (int tries = 0; state_of(pid) != state; tries++) {
        g_assert_cmpint(tries, <, 5000);
        g_usleep(1000);
    }
}

static void
put_down(gconstpointer data)
{
    const Case *c = data;
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(c->steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    if (c->attended) {
        session->destination.attendant =
            migrate_attendant_start(session->guest.pid, -1, &error);
        g_assert_no_error(error);
    }
    g_assert_cmpint(migrate_put_down(session), ==, c->ends);
    g_assert_cmpint(session->guest.resumed || session->destination.ran, ==,
                    !c->ends);
    g_assert_cmpint(proc_life_has_ended(session->guest.pidfd, c->ends ? 5000 : 0),
                    ==, c->ends);
    if (!c->ends) {
        wait_until(s.qemu, 'S'); /* it goes on */
    }
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

/* The receiver is killed when QEMU stands still, and has not ended it yet. */
static void
dies_between(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateAttendant *attendant =
        migrate_attendant_start(s.session->guest.pid, -1, &error);
    g_assert_no_error(error);
    migrate_attendant_freeze_qemu(attendant, &error);
    g_assert_no_error(error);
    g_assert_cmpint(state_of(s.qemu), ==, 'T');
    migrate_attendant_stop(attendant);
    wait_until(s.qemu, 'S');
    session_scene_clear(&s);
}

/* It had no attendant, or that was killed too: QEMU waits for who takes over;
 * but only one that is followed is stopped by us. */
static void
is_taken_back(void)
{
    SessionScene s;
    session_scene_init(&s, MIGRATE_RECEIVE);
    g_assert_no_errno(kill(s.qemu, SIGSTOP));
    wait_until(s.qemu, 'T');
    migrate_put_down_take_back(s.session);
    g_usleep(20000);
    g_assert_cmpint(state_of(s.qemu), ==, 'T');
    s.session->options.follow = true;
    migrate_put_down_take_back(s.session);
    wait_until(s.qemu, 'S');
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    if (argc > 3 && g_str_equal(argv[1], "attend")) {
        return migrate_attendant_run((pid_t)atoi(argv[2]), atoi(argv[3]));
    }
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/put-down/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], put_down);
    }
    g_test_add_func("/put-down/dies-between", dies_between);
    g_test_add_func("/put-down/is-taken-back", is_taken_back);
    return g_test_run();
}
