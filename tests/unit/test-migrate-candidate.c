/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which interrupted migration a command line means, and what is said of those
 * that it may mean.
 */
#include "migrate/takeover/migrate-candidate.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/unit/session-scene.h"

typedef struct {
    char *directory;
    char *socket, *link; /* "real/qmp", "link/qmp" in it */
} Places;

static void
places_init(Places *p)
{
    g_autoptr(GError) error = NULL;
    p->directory = g_dir_make_tmp("candidate-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *real = g_build_filename(p->directory, "real", NULL);
    g_autofree char *link = g_build_filename(p->directory, "link", NULL);
    g_assert_no_errno(g_mkdir(real, 0700));
    g_assert_no_errno(symlink("real", link));
    p->socket = g_build_filename(real, "qmp", NULL);
    p->link = g_build_filename(link, "qmp", NULL);
}

static void
places_clear(Places *p)
{
    g_autofree char *real = g_path_get_dirname(p->socket);
    g_autofree char *link = g_path_get_dirname(p->link);
    g_unlink(p->socket);
    g_assert_no_errno(g_rmdir(real));
    g_assert_no_errno(g_unlink(link));
    g_assert_no_errno(g_rmdir(p->directory));
    g_free(p->socket);
    g_free(p->link);
    g_free(p->directory);
}

static bool
fits(char *recorded, char *given)
{
    const MigrateJournal journal = {.options.role = MIGRATE_SEND,
                                    .options.qmp_path = recorded};
    const MigrateOptions options = {.role = MIGRATE_SEND, .qmp_path = given};
    return migrate_candidate_fits(&journal, &options);
}

/* Whether the socket is there or has gone with its QEMU. */
static void
test_paths(void)
{
    Places p;
    places_init(&p);
    g_autofree char *around =
        g_strdup_printf("%s/real/..//link/./qmp", p.directory);
    g_autofree char *other = g_strconcat(p.socket, "2", NULL);
    for (int there = 0; there < 2; there++) {
        g_assert_true(fits(p.socket, p.socket));
        g_assert_true(fits(p.socket, p.link));
        g_assert_true(fits(p.link, p.socket));
        g_assert_true(fits(p.socket, around));
        g_assert_false(fits(p.socket, other));
        g_assert_true(g_file_set_contents(p.socket, "x", 1, NULL));
    }
    g_assert_true(fits((char *)"/nowhere/a/../b", (char *)"/nowhere//b"));
    g_assert_true(fits(p.socket, NULL));
    g_assert_false(fits(NULL, p.socket));
    places_clear(&p);
}

static void
leave_behind(SessionScene *s, const char *name)
{
    g_autoptr(GError) error = NULL;
    session_scene_init(s, MIGRATE_SEND);
    s->session->guest.identity.name = g_strdup(name);
    MigrateArchive *a = session_scene_archive(s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    session_scene_write(s, a, &error);
    g_assert_no_error(error);
    migrate_archive_close(a);
}

static void
forget(SessionScene *s)
{
    migrate_archive_remove(session_scene_archive(s, MIGRATE_SEND, NULL));
    session_scene_clear(s);
}

static void
assert_says(const GError *error, const SessionScene *s, const char *what)
{
    g_autofree char *monitor = g_strdup_printf("monitor %s", s->qmp);
    g_autofree char *command =
        g_strdup_printf("postlude send %s --pid %d", what,
                        (int)s->session->guest.pid);
    g_assert_nonnull(strstr(error->message, monitor));
    g_assert_nonnull(strstr(error->message, command));
}

static void
test_several(void)
{
    SessionScene one, two;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) found = {0};
    leave_behind(&one, "web1");
    leave_behind(&two, "");
    session_scene_end_qemu(&two);
    MigrateOptions options = {.role = MIGRATE_SEND};
    g_assert_false(migrate_archive_find(&options, &found, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, "say which by --pid N"));
    g_assert_nonnull(strstr(error->message, "'web1' (QEMU "));
    g_assert_nonnull(strstr(error->message, "an unnamed guest (QEMU "));
    g_assert_nonnull(strstr(error->message, "which has ended"));
    assert_says(error, &one, "--resume");
    assert_says(error, &two, "--resume");
    g_clear_error(&error);

    options.pid = two.session->guest.pid;
    g_assert_true(migrate_archive_find(&options, &found, &error));
    g_assert_no_error(error);
    g_assert_cmpint(found.qemu_pid, ==, two.session->guest.pid);
    migrate_journal_clear(&found);

    /* Both are asked for at once, and no QEMU is both. */
    options.qmp_path = one.qmp;
    options.give_up = true;
    g_assert_false(migrate_archive_find(&options, &found, &error));
    assert_says(error, &one, "--give-up");
    assert_says(error, &two, "--give-up");
    forget(&one);
    forget(&two);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/candidate/paths", test_paths);
    g_test_add_func("/candidate/several", test_several);
    return g_test_run();
}
