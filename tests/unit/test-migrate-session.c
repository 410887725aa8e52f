/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a session makes of a monitor that is closed: before the point of no
 * return QEMU's end; after it, at the destination, nothing as long as QEMU
 * lives. And a point of no return that cannot be recorded is not passed.
 */
#include "migrate/migrate-session.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/range.h"
#include "migrate/migrate-archive.h"
#include "migrate/migrate-rundir.h"
#include "tests/support/qmp-peer.h"

#define OPEN_MS 10000
#define END_MS 20000

static const QmpPeerStep closes[] = {
    {QMP_PEER_GREET, NULL, NULL}, {QMP_PEER_CLOSE, NULL, NULL}, {0}};

typedef struct {
    pid_t qemu; /* a process that stands for one */
    QmpPeer *peer;
    MigrateSession *session;
} Scene;

static void
scene_init(Scene *s, MigrateRole role)
{
    g_autoptr(GError) error = NULL;
    const MigrateOptions options = {.role = role,
                                    .address = (char *)"127.0.0.1:1",
                                    .peer_timeout_s = 1,
                                    .link_timeout_s = 1};
    s->qemu = fork();
    if (s->qemu == 0) {
        pause();
        _exit(0);
    }
    s->session = migrate_session_new(&options);
    s->session->pid = s->qemu;
    s->session->pidfd = (int)syscall(SYS_pidfd_open, s->qemu, 0);
    g_assert_cmpint(s->session->pidfd, >=, 0);
    g_assert_true(proc_life_started(s->qemu, &s->session->qemu_started,
                                    &error));
    s->session->ram = g_new0(MigrateRam, 1);
    s->session->ram->n_blocks = 1;
    s->session->ram->blocks = g_new0(MigrateBlock, 1);
    s->session->ram->blocks[0] = (MigrateBlock){
        .name = g_strdup("ram"), .bytes = PAGE_BYTES, .inode = 1, .file = -1};
    s->peer = qmp_peer_start(closes);
    s->session->qmp =
        qmp_client_open(qmp_peer_path(s->peer), OPEN_MS, &error);
    g_assert_no_error(error);
}

static void
end_qemu(Scene *s)
{
    kill(s->qemu, SIGKILL);
    waitpid(s->qemu, NULL, 0);
    s->qemu = 0;
}

static void
scene_clear(Scene *s)
{
    migrate_session_free(s->session);
    qmp_peer_stop(s->peer);
    if (s->qemu > 0) {
        end_qemu(s);
    }
}

/* Until the hang-up was noticed: as an error, or by doing without. */
static bool
take_in(Scene *s, GError **error)
{
    uint64_t deadline = fd_deadline_ns(END_MS);
    while (migrate_session_take_in(s->session, error)) {
        if (!s->session->qmp) {
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
    scene_init(&s, (MigrateRole)GPOINTER_TO_INT(data));
    g_assert_false(take_in(&s, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_true(s.session->qemu_gone);
    scene_clear(&s);
}

static void
closed_after(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_RECEIVE);
    s.session->past_no_return = true;
    g_assert_true(take_in(&s, &error));
    g_assert_no_error(error);
    g_assert_false(s.session->qemu_gone);
    g_assert_true(migrate_session_take_in(s.session, &error));
    end_qemu(&s);
    g_assert_false(migrate_session_take_in(s.session, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_true(s.session->qemu_gone);
    scene_clear(&s);
}

static void
ended_after(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_RECEIVE);
    s.session->past_no_return = true;
    end_qemu(&s);
    g_assert_false(take_in(&s, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    scene_clear(&s);
}

/* A directory where the new record would be written first. */
static void
not_recorded(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_SEND);
    s.session->archive = migrate_archive_open(
        MIGRATE_SEND, s.qemu, s.session->qemu_started, &error);
    g_assert_no_error(error);
    g_autofree char *directory = migrate_rundir_path();
    g_autofree char *next = g_strdup_printf(
        "%s/send-%d-%" G_GUINT64_FORMAT ".journal.next", directory,
        (int)s.qemu, s.session->qemu_started);
    g_assert_no_errno(mkdir(next, 0700));
    g_assert_false(migrate_session_commit(s.session, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_false(s.session->past_no_return);
    g_assert_no_errno(rmdir(next));
    g_clear_error(&error);
    g_assert_true(migrate_session_commit(s.session, &error));
    g_assert_no_error(error);
    g_assert_true(s.session->past_no_return);
    g_clear_pointer(&s.session->archive, migrate_archive_remove);
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
    return g_test_run();
}
