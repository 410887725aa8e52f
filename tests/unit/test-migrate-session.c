/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a session makes of a monitor that is closed: before the point of no
 * return QEMU's end; after it, at the destination, nothing as long as QEMU
 * lives. And a point of no return that cannot be recorded is not passed.
 */
#include "migrate/session/migrate-session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/takeover/migrate-archive.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define OPEN_MS 10000
#define END_MS 20000

static const QmpPeerStep closes[] = {
    {QMP_PEER_GREET, NULL, NULL}, {QMP_PEER_CLOSE, NULL, NULL}, {0}};

/* With a monitor that hangs up at once. */
typedef struct {
    SessionScene guest;
    QmpPeer *peer;
} Scene;

static MigrateSession *
scene_init(Scene *s, MigrateRole role)
{
    g_autoptr(GError) error = NULL;
    session_scene_init(&s->guest, role);
    s->peer = qmp_peer_start(closes);
    s->guest.session->guest.qmp =
        qmp_client_open(qmp_peer_path(s->peer), OPEN_MS, &error);
    g_assert_no_error(error);
    return s->guest.session;
}

static void
scene_clear(Scene *s)
{
    session_scene_clear(&s->guest);
    qmp_peer_stop(s->peer);
}

/* Until the hang-up was noticed: as an error, or by doing without. */
static bool
take_in(MigrateSession *session, GError **error)
{
    uint64_t deadline = fd_deadline_ns(END_MS);
    while (migrate_session_take_in(session, error)) {
        if (!session->guest.qmp) {
            return true;
        }
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(1000);
    }
    return false;
}

static void
closed_before(gconstpointer data)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session =
        scene_init(&s, (MigrateRole)GPOINTER_TO_INT(data));
    g_assert_false(take_in(session, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_true(session->guest.gone);
    scene_clear(&s);
}

static void
closed_after(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session = scene_init(&s, MIGRATE_RECEIVE);
    session->past_no_return = true;
    g_assert_true(take_in(session, &error));
    g_assert_no_error(error);
    g_assert_false(session->guest.gone);
    g_assert_true(migrate_session_take_in(session, &error));
    session_scene_end_qemu(&s.guest);
    g_assert_false(migrate_session_take_in(session, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_true(session->guest.gone);
    scene_clear(&s);
}

static void
ended_after(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session = scene_init(&s, MIGRATE_RECEIVE);
    session->past_no_return = true;
    session_scene_end_qemu(&s.guest);
    g_assert_false(take_in(session, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    scene_clear(&s);
}

/* A directory where the new record would be written first. */
static void
not_recorded(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateSession *session = scene_init(&s, MIGRATE_SEND);
    session->archive =
        session_scene_archive(&s.guest, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_autofree char *next = session_scene_path(&s.guest, ".journal.next");
    g_assert_no_errno(mkdir(next, 0700));
    g_assert_false(migrate_commit(session, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_false(session->past_no_return);
    g_assert_no_errno(rmdir(next));
    g_clear_error(&error);
    g_assert_true(migrate_commit(session, &error));
    g_assert_no_error(error);
    g_assert_true(session->past_no_return);
    g_clear_pointer(&session->archive, migrate_archive_remove);
    scene_clear(&s);
}

/* A limit that is reached: on the size of files (ulimit -f), on descriptors. */
static void
limited(gconstpointer data)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    int what = GPOINTER_TO_INT(data);
    struct rlimit before, now;
    MigrateSession *session = scene_init(&s, MIGRATE_SEND);
    session->archive = session_scene_archive(&s.guest, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_no_errno(getrlimit(what, &before));
    now = (struct rlimit){1, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN); /* as main() does */
    g_assert_no_errno(setrlimit(what, &now));
    bool ok = migrate_commit(session, &error);
    g_assert_no_errno(setrlimit(what, &before));
    g_assert_false(ok);
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_nonnull(strstr(error->message, "cannot be recorded"));
    g_assert_false(session->past_no_return);
    g_clear_error(&error);
    g_assert_true(migrate_commit(session, &error));
    g_clear_pointer(&session->archive, migrate_archive_remove);
    scene_clear(&s);
}

/* What a successor reads, see that it says. */
static void
assert_recorded(const Scene *s, bool committed, bool refused)
{
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    const MigrateOptions meant = {.role = s->guest.session->options.role,
                                  .pid = s->guest.qemu};
    migrate_archive_find(&meant, &journal, &error);
    g_assert_no_error(error);
    g_assert_cmpint(journal.committed, ==, committed);
    g_assert_cmpint(journal.refused, ==, refused);
}

static void
taken_back(gconstpointer data)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    MigrateRole role = (MigrateRole)GPOINTER_TO_INT(data);
    MigrateSession *session = scene_init(&s, role);
    session->archive = session_scene_archive(&s.guest, role, &error);
    g_assert_no_error(error);
    migrate_commit(session, &error);
    g_assert_no_error(error);
    assert_recorded(&s, true, false);
    migrate_commit_take_back(session);
    g_assert_false(session->past_no_return);
    assert_recorded(&s, false, role == MIGRATE_SEND);
    g_clear_pointer(&session->archive, migrate_archive_remove);
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_data_func("/session/closed-before/send",
                         GINT_TO_POINTER(MIGRATE_SEND), closed_before);
    g_test_add_data_func("/session/closed-before/receive",
                         GINT_TO_POINTER(MIGRATE_RECEIVE), closed_before);
    g_test_add_func("/session/closed-after", closed_after);
    g_test_add_func("/session/ended-after", ended_after);
    g_test_add_func("/session/not-recorded", not_recorded);
    g_test_add_data_func("/session/file-size",
                         GINT_TO_POINTER(RLIMIT_FSIZE), limited);
    g_test_add_data_func("/session/descriptors",
                         GINT_TO_POINTER(RLIMIT_NOFILE), limited);
    g_test_add_data_func("/session/taken-back/send",
                         GINT_TO_POINTER(MIGRATE_SEND), taken_back);
    g_test_add_data_func("/session/taken-back/receive",
                         GINT_TO_POINTER(MIGRATE_RECEIVE), taken_back);
    return g_test_run();
}
