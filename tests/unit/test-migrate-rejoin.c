/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looking for a source that is lost, while somebody starts the guest here. A
 * monitor by script; nobody listens at the source's address.
 */
#include "migrate/link/migrate-rejoin.h"

#include "base/error.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define RESUME                                                                 \
    {QMP_PEER_SAY,                                                             \
     "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "      \
     "\"RESUME\"}\r\n",                                                        \
     NULL}
#define ANSWER {QMP_PEER_ANSWER, "{}", NULL}

/* Before RUN was heard it may run at the source as well; each time. */
static const QmpPeerStep unknown[] = {
    {QMP_PEER_GREET}, RESUME, {QMP_PEER_HEAR, "\"stop\"", NULL}, ANSWER,
    RESUME,           {QMP_PEER_HEAR, "\"stop\"", NULL}, ANSWER,
    {QMP_PEER_END}};
/* With --follow whoever drives QEMU starts it. */
static const QmpPeerStep driven[] = {{QMP_PEER_GREET}, RESUME, {QMP_PEER_END}};

static void
look(const QmpPeerStep *steps, bool follow)
{
    SessionScene s;
    g_autoptr(GError) error = NULL, lost = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    session->options.follow = follow;
    session->guest.ram->blocks[0].pages =
        session->guest.ram->blocks[0].extents = 1;
    session->guest.ram->pages = 1;
    uint8_t *laid[] = {g_malloc0(1)};
    session->destination.pages = migrate_pages_new(session->guest.ram, laid, -1,
                                                   &session->alarm, &error);
    g_assert_no_error(error);
    session->peer.address = wire_address_parse("127.0.0.1:1", &error);
    g_assert_no_error(error);
    error_set(&lost, ERROR_PEER_GONE, "the connection is lost");
    g_assert_false(migrate_rejoin(session, lost, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_cmpint(session->guest.resumed, ==, follow);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

static void
before_run(void)
{
    look(unknown, false);
}

static void
followed(void)
{
    look(driven, true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* It is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/rejoin/started-before-run", before_run);
    g_test_add_func("/rejoin/followed", followed);
    return g_test_run();
}
