/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over from a sender whose QEMU does not say what became of it: nothing
 * is decided, and the journal stays for the next try. A monitor by script,
 * which is of this process, so this process is its QEMU.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/story/migrate-stages.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define ASKED {QMP_PEER_HEAR, "query-migrate-capabilities", NULL}
#define OFF {QMP_PEER_HEAR, "migrate-set-capabilities", NULL}, \
            {QMP_PEER_ANSWER, "{}", NULL}

static const QmpPeerStep silent[] = {{QMP_PEER_GREET},
                                     ASKED,
                                     {QMP_PEER_REFUSE, NULL, "not now"},
                                     {QMP_PEER_END}};
static const QmpPeerStep mended[] = {
    {QMP_PEER_GREET},
    ASKED,
    {QMP_PEER_ANSWER,
     "[{\"capability\": \"x-ignore-shared\", \"state\": false}]", NULL},
    {QMP_PEER_HEAR, "query-migrate", NULL},
    {QMP_PEER_ANSWER, "{}", NULL},
    {QMP_PEER_HEAR, "closefd", NULL},
    {QMP_PEER_REFUSE, NULL, "no such descriptor"},
    {QMP_PEER_HEAR, "query-status", NULL},
    {QMP_PEER_ANSWER,
     "{\"running\": true, \"singlestep\": false, \"status\": \"running\"}",
     NULL},
    OFF, OFF, OFF,
    {QMP_PEER_END}};

static void
take_over(const QmpPeerStep *steps, bool stays)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(steps);
    session->options.qmp_path = (char *)qmp_peer_path(peer);
    session->options.resume = true;
    session->pid = getpid();
    g_assert_true(proc_life_started(session->pid, &session->qemu_started,
                                    &error));
    MigrateArchive *archive = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, archive, &error));
    g_assert_cmpint(migrate_stages_run(session, &error), ==,
                    MIGRATE_EXIT_FAILED);
    g_assert_nonnull(error);
    g_autofree char *journal = session_scene_path(&s, ".journal");
    g_assert_cmpint(access(journal, F_OK) == 0, ==, stays);
    g_clear_pointer(&session->qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
    migrate_archive_remove(archive);
}

static void
no_answer(void)
{
    take_over(silent, true);
}

static void
put_right(void)
{
    take_over(mended, false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What cannot be known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/resume/no-answer", no_answer);
    g_test_add_func("/resume/put-right", put_right);
    return g_test_run();
}
