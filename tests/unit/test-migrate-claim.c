/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QEMU, one claim: who comes second is told who was first; the kernel lets
 * go of it for who is killed; links in the way, and files that are left.
 */
#include "migrate/takeover/migrate-claim.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "migrate/core/migrate-rundir.h"
#include "tests/unit/session-scene.h"

static bool
exists(const SessionScene *s)
{
    g_autofree char *path = session_scene_path(s, ".lock");
    return access(path, F_OK) == 0;
}

static void
second(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    g_autofree char *holder = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    pid_t pid = s.session->guest.pid;
    uint64_t started = s.session->guest.started;
    g_assert_false(migrate_claim_is_held(pid, started, NULL));
    MigrateClaim *claim = migrate_claim_take(pid, started, "receive", &error);
    g_assert_no_error(error);
    g_assert_null(migrate_claim_take(pid, started, "send", &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_autofree char *who = g_strdup_printf(
        "locked by 'postlude receive' (process %d)", (int)getpid());
    g_assert_nonnull(strstr(error->message, who));
    g_assert_true(migrate_claim_is_held(pid, started, &holder));
    g_assert_true(g_str_has_prefix(holder, "receive "));

    /* Another life of the same number is another QEMU. */
    MigrateClaim *other = migrate_claim_take(pid, started + 1, "send", NULL);
    g_assert_nonnull(other);
    migrate_claim_drop(other);

    migrate_claim_drop(claim);
    g_assert_false(exists(&s));
    session_scene_clear(&s);
}

/* Killed at whatever instruction; and the next one need not be told. */
static void
killed(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    int ready[2];
    char word;
    session_scene_init(&s, MIGRATE_SEND);
    g_assert_no_errno(pipe(ready));
    pid_t child = fork();
    if (child == 0) {
        MigrateClaim *claim = session_scene_claim(&s, NULL);
        _exit(claim && write(ready[1], "r", 1) == 1 && pause());
    }
    g_assert_cmpint(read(ready[0], &word, 1), ==, 1);
    g_assert_null(session_scene_claim(&s, &error));
    g_clear_error(&error);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    g_assert_true(exists(&s));
    MigrateClaim *claim = session_scene_claim(&s, &error);
    g_assert_no_error(error);

    migrate_claim_forget_dead(); /* takes none that somebody holds */
    g_assert_true(exists(&s));
    g_assert_null(session_scene_claim(&s, NULL));
    migrate_claim_drop(claim);
    close(ready[0]);
    close(ready[1]);
    session_scene_clear(&s);
}

/* Who only looks around holds it for a moment, and that refuses nobody. */
static void
looked_at(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            MigrateClaim *claim = session_scene_claim(&s, NULL);
            g_clear_pointer(&claim, migrate_claim_drop);
            usleep(1000);
        }
    }
    for (int i = 0; i < 50; i++) {
        MigrateClaim *claim = session_scene_claim(&s, &error);
        g_assert_no_error(error);
        migrate_claim_drop(claim);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    migrate_claim_forget_dead();
    g_assert_false(exists(&s));
    session_scene_clear(&s);
}

/* The run-time directory was emptied: QEMU would look free to a second command
 * until the claim's file is there again. */
static void
removed(void)
{
    SessionScene s;
    bool gone = true;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateClaim *claim = session_scene_claim(&s, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_claim_renew(claim, &gone, &error));
    g_assert_false(gone);
    g_autofree char *path = session_scene_path(&s, ".lock");
    g_assert_no_errno(unlink(path));
    g_assert_true(migrate_claim_renew(claim, &gone, &error));
    g_assert_true(gone && exists(&s));
    g_assert_null(session_scene_claim(&s, NULL));
    g_autoptr(GArray) all = migrate_claim_holders();
    bool listed = false;
    for (guint i = 0; i < all->len; i++) {
        MigrateClaimHolder *h = &g_array_index(all, MigrateClaimHolder, i);
        listed |= h->qemu_pid == s.session->guest.pid && h->pid == getpid();
    }
    g_assert_true(listed);

    /* Somebody else was quicker. */
    g_assert_no_errno(unlink(path));
    MigrateClaim *other = session_scene_claim(&s, &error);
    g_assert_no_error(error);
    g_assert_false(migrate_claim_renew(claim, &gone, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    migrate_claim_drop(claim);
    g_assert_true(exists(&s));
    g_assert_null(session_scene_claim(&s, NULL));
    migrate_claim_drop(other);
    session_scene_clear(&s);
}

static void
links(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    g_autofree char *directory = migrate_rundir_path();
    g_assert_true(migrate_rundir_make(directory, &error));
    g_autofree char *lock = session_scene_path(&s, ".lock");
    g_autofree char *target = session_scene_path(&s, ".stranger");
    g_assert_no_errno(symlink(target, lock));
    g_assert_null(session_scene_claim(&s, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_cmpint(access(target, F_OK), <, 0);
    g_assert_no_errno(unlink(lock));
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/claim/second", second);
    g_test_add_func("/claim/killed", killed);
    g_test_add_func("/claim/looked-at", looked_at);
    g_test_add_func("/claim/removed", removed);
    g_test_add_func("/claim/links", links);
    return g_test_run();
}
