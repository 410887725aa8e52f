/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sender's last moments: what it has heard by then is not kept to itself. A
 * monitor by script; the destination has hung up.
 */
#include "migrate/story/migrate-source.h"

#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

/* "cont" at the source when all memory had arrived. */
static void
started_at_last(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                        {QMP_PEER_HEAR, "\"stop\"", NULL},
                                        {QMP_PEER_ANSWER, "{}", NULL},
                                        {QMP_PEER_END}};
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    session->past_no_return = session->source.ran_again = true;
    session->operator.interrupted = true; /* it need not wait for the destination */
    g_assert_true(migrate_source_settle(session, &error));
    g_assert_true(session->report.source_ran);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* It is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/source/started-at-last", started_at_last);
    return g_test_run();
}
