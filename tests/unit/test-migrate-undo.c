/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking the switchover back: what is cancelled and who is started again. A
 * monitor by script, which fails the test at each command it does not expect.
 */
#include "migrate/drive/migrate-undo.h"

#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define MIGRATION(status)                                                      \
    {QMP_PEER_HEAR, "query-migrate", NULL},                                    \
        {QMP_PEER_ANSWER, "{\"status\": \"" status "\"}", NULL}
#define BARE(event)                                                            \
    {QMP_PEER_SAY,                                                             \
     "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "      \
     "\"" event "\"}\r\n",                                                     \
     NULL}
#define EVENT(status)                                                          \
    {QMP_PEER_SAY,                                                             \
     "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "      \
     "\"MIGRATION\", \"data\": {\"status\": \"" status "\"}}\r\n",             \
     NULL}
#define CANCEL                                                                 \
    {QMP_PEER_HEAR, "migrate_cancel", NULL}, {QMP_PEER_ANSWER, "{}", NULL}
#define FORGET                                                                 \
    {QMP_PEER_HEAR, "closefd", NULL},                                          \
        {QMP_PEER_REFUSE, NULL, "no such descriptor"}
#define STATE(status)                                                          \
    {QMP_PEER_HEAR, "query-status", NULL},                                     \
        {QMP_PEER_ANSWER,                                                      \
         "{\"running\": false, \"singlestep\": false, \"status\": \"" status   \
         "\"}",                                                                \
         NULL}
#define CONT {QMP_PEER_HEAR, "\"cont\"", NULL}, {QMP_PEER_ANSWER, "{}", NULL}
#define END {QMP_PEER_END}
#define GREET {QMP_PEER_GREET}

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    bool begun, paused, crashed;
} Case;

static const QmpPeerStep not_begun[] = {GREET, FORGET, STATE("postmigrate"),
                                        END};
static const QmpPeerStep running[] = {GREET, MIGRATION("none"), FORGET,
                                      STATE("running"), END};
static const QmpPeerStep active[] = {
    GREET, MIGRATION("active"), CANCEL, MIGRATION("cancelled"), FORGET,
    STATE("running"), END};
static const QmpPeerStep completed[] = {
    GREET, MIGRATION("completed"), FORGET, STATE("postmigrate"), CONT, END};
static const QmpPeerStep stopped[] = {
    GREET, MIGRATION("cancelled"), FORGET, STATE("paused"), END};
static const QmpPeerStep left[] = {
    GREET, MIGRATION("completed"), FORGET, STATE("postmigrate"), END};
static const QmpPeerStep anothers[] = {
    GREET, MIGRATION("active"), EVENT("cancelled"), MIGRATION("active"),
    MIGRATION("completed"), FORGET, STATE("running"), END};
static const QmpPeerStep reset[] = {
    GREET, BARE("GUEST_PANICKED"), BARE("RESUME"), MIGRATION("active"), CANCEL,
    MIGRATION("completed"), FORGET, STATE("postmigrate"), CONT, END};

static const Case cases[] = {
    {"not-begun", not_begun, false, false, false},
    {"begun-in-vain", running, true, false, false},
    {"active", active, true, false, false},
    {"completed", completed, true, false, false},
    {"stopped-by-somebody", stopped, true, false, false},
    {"paused-before", left, true, true, false},
    {"crashed", left, true, false, true},
    {"crashed-and-reset", reset, true, false, false},
};

static void
undo_case(const Case *c, bool heard)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(c->steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    session->source.begun = c->begun;
    session->guest.ran = !c->paused;
    session->guest.crashed = c->crashed;
    session->guest.migration = heard ? g_strdup("cancelled") : NULL;
    migrate_undo_switchover(session);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

static void
undo(gconstpointer data)
{
    undo_case(data, false);
}

/* Ours was heard to end; what QEMU does since is somebody else's. */
static void
after_ours(void)
{
    static const Case c = {"after-ours", anothers, true, false, false};
    undo_case(&c, true);
}

/* It waits for a word that who began it does not know of. */
static void
anothers_waits(void)
{
    static const QmpPeerStep waits[] = {GREET,
                                        MIGRATION("active"),
                                        EVENT("cancelled"),
                                        MIGRATION("pre-switchover"),
                                        MIGRATION("pre-switchover"),
                                        MIGRATION("cancelled"),
                                        FORGET,
                                        STATE("running"),
                                        END};
    static const Case c = {"waits", waits, true, false, false};
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING,
                          "*say 'migrate_cancel'*");
    undo_case(&c, true);
    g_test_assert_expected_messages();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/undo/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], undo);
    }
    g_test_add_func("/undo/after-ours", after_ours);
    g_test_add_func("/undo/anothers-waits", anothers_waits);
    return g_test_run();
}
