/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may take over: the lock while a helper lives and after it was killed,
 * journals of QEMUs that live and of those that do not, links in the way.
 */
#include "migrate/migrate-archive.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/range.h"
#include "migrate/migrate-rundir.h"

typedef struct {
    pid_t qemu; /* a process that stands for one */
    char *qmp;
    MigrateSession *session;
} Scene;

static void
scene_init(Scene *s, MigrateRole role)
{
    s->qemu = fork();
    if (s->qemu == 0) {
        pause();
        _exit(0);
    }
    s->qmp = g_strdup_printf("/nowhere/%d.qmp", (int)s->qemu);
    MigrateOptions options = {.role = role,
                              .qmp_path = s->qmp,
                              .address = (char *)"127.0.0.1:1",
                              .peer_timeout_s = 1,
                              .link_timeout_s = 1};
    s->session = migrate_session_new(&options);
    s->session->pid = s->qemu;
    s->session->ram = g_new0(MigrateRam, 1);
    s->session->ram->n_blocks = 1;
    s->session->ram->blocks = g_new0(MigrateBlock, 1);
    s->session->ram->blocks[0] = (MigrateBlock){
        .name = g_strdup("ram"), .bytes = PAGE_BYTES, .inode = 1, .file = -1};
    g_assert_true(proc_life_started(s->qemu, &s->session->qemu_started, NULL));
}

static MigrateArchive *
open_archive(const Scene *s, MigrateRole role, GError **error)
{
    return migrate_archive_open(role, s->session->pid,
                                s->session->qemu_started, error);
}

static void
end_qemu(Scene *s)
{
    if (s->qemu > 0) {
        kill(s->qemu, SIGKILL);
        waitpid(s->qemu, NULL, 0);
        s->qemu = 0;
    }
}

static void
scene_clear(Scene *s)
{
    migrate_session_free(s->session);
    end_qemu(s);
    g_free(s->qmp);
}

static bool
is_orphan(const Scene *s)
{
    bool found = false;
    g_autoptr(GPtrArray) all = migrate_archive_orphans();
    for (guint i = 0; i < all->len; i++) {
        const MigrateJournal *j = g_ptr_array_index(all, i);
        found |= j->qemu_pid == s->session->pid;
    }
    return found;
}

static char *
path_of(const Scene *s, const char *ending)
{
    g_autofree char *directory = migrate_rundir_path();
    return g_strdup_printf(
        "%s/%s-%d-%" G_GUINT64_FORMAT "%s", directory,
        s->session->options.role == MIGRATE_SEND ? "send" : "receive",
        (int)s->session->pid, s->session->qemu_started, ending);
}

static bool
exists(const Scene *s, const char *ending)
{
    g_autofree char *path = path_of(s, ending);
    return access(path, F_OK) == 0;
}

static void
lock_and_journal(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    scene_init(&s, MIGRATE_RECEIVE);
    MigrateArchive *a = open_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    autofd pages = migrate_archive_new_pages(a, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(pages, "xyz", 3), ==, 3);
    g_assert_true(migrate_archive_write(a, s.session, &error));

    /* At work: found, but nobody's to take over. */
    g_assert_null(open_archive(&s, MIGRATE_RECEIVE, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_clear_error(&error);
    g_assert_false(is_orphan(&s));
    g_assert_true(migrate_archive_find(MIGRATE_RECEIVE, s.qmp, &journal,
                                       &error));
    g_assert_cmpint(journal.qemu_pid, ==, s.qemu);

    /* The files outlive it, the lock does not. */
    migrate_archive_close(a);
    g_assert_true(is_orphan(&s));
    a = open_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    char text[4] = "";
    autofd old = migrate_archive_old_pages(a, &error);
    g_assert_cmpint(read(old, text, 3), ==, 3);
    g_assert_cmpstr(text, ==, "xyz");
    migrate_archive_remove(a);
    g_assert_false(is_orphan(&s));
    g_autofree char *path = path_of(&s, ".journal");
    g_assert_cmpint(access(path, F_OK), <, 0);
    scene_clear(&s);
}

/* A destination's is worth nothing then, a source's everything. */
static void
after_qemu(void)
{
    static const MigrateRole roles[] = {MIGRATE_RECEIVE, MIGRATE_SEND};
    for (unsigned i = 0; i < G_N_ELEMENTS(roles); i++) {
        Scene s;
        g_autoptr(GError) error = NULL;
        g_auto(MigrateJournal) journal = {0};
        scene_init(&s, roles[i]);
        MigrateArchive *a = open_archive(&s, roles[i], &error);
        g_assert_no_error(error);
        migrate_archive_write(a, s.session, &error);
        migrate_archive_close(a);
        end_qemu(&s);
        bool found =
            migrate_archive_find(roles[i], s.qmp, &journal, &error);
        g_assert_cmpint(found, ==, roles[i] == MIGRATE_SEND);
        g_autofree char *path = path_of(&s, ".journal");
        g_assert_cmpint(access(path, F_OK) == 0, ==, found);
        if (found) {
            migrate_archive_remove(
                open_archive(&s, roles[i], NULL));
        } else {
            g_assert_true(error_is(error, ERROR_STATE));
        }
        scene_clear(&s);
    }
}

/* Killed between the first and the last file it removed; and one at work, that
 * has no journal yet. */
static void
remains(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_RECEIVE);
    MigrateArchive *a = open_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    autofd pages = migrate_archive_new_pages(a, &error);
    g_assert_no_error(error);
    migrate_archive_forget_dead();
    g_assert_true(exists(&s, ".pages") && exists(&s, ".lock"));
    migrate_archive_write(a, s.session, &error);
    g_assert_no_error(error);
    migrate_archive_close(a);
    migrate_archive_forget_dead();
    g_assert_true(exists(&s, ".pages") && exists(&s, ".journal"));
    g_autofree char *journal = path_of(&s, ".journal");
    g_assert_no_errno(unlink(journal));
    migrate_archive_forget_dead();
    g_assert_false(exists(&s, ".pages") || exists(&s, ".lock"));
    scene_clear(&s);
}

/* The kernel has given the number of a source's QEMU to another one: what is
 * held of the first is none of the second's business. */
static void
numbers_anew(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_SEND);
    MigrateArchive *first = open_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_archive_write(first, s.session, &error));
    migrate_archive_close(first);
    g_autofree char *keeper =
        migrate_archive_keeper_path(s.session->pid, s.session->qemu_started);
    uint64_t started = s.session->qemu_started++;
    g_autofree char *another =
        migrate_archive_keeper_path(s.session->pid, s.session->qemu_started);
    g_assert_cmpstr(keeper, !=, another);
    MigrateArchive *second = open_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_archive_write(second, s.session, &error));
    migrate_archive_remove(second);
    s.session->qemu_started = started;
    g_assert_true(exists(&s, ".journal"));
    migrate_archive_remove(open_archive(&s, MIGRATE_SEND, NULL));
    scene_clear(&s);
}

/* Of several, the ones that somebody works on need nobody. */
static void
one_at_work(void)
{
    Scene worked_on, interrupted;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    scene_init(&worked_on, MIGRATE_RECEIVE);
    scene_init(&interrupted, MIGRATE_RECEIVE);
    MigrateArchive *busy = open_archive(&worked_on, MIGRATE_RECEIVE, &error);
    MigrateArchive *dead = open_archive(&interrupted, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    migrate_archive_write(busy, worked_on.session, &error);
    migrate_archive_write(dead, interrupted.session, &error);
    g_assert_no_error(error);
    g_assert_false(migrate_archive_find(MIGRATE_RECEIVE, NULL, &journal,
                                        &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_clear_error(&error);
    migrate_archive_close(dead);
    g_assert_true(migrate_archive_find(MIGRATE_RECEIVE, NULL, &journal,
                                       &error));
    g_assert_cmpint(journal.qemu_pid, ==, interrupted.qemu);
    migrate_archive_remove(open_archive(&interrupted, MIGRATE_RECEIVE, NULL));
    migrate_archive_remove(busy);
    scene_clear(&worked_on);
    scene_clear(&interrupted);
}

/* Another user's, or a link to one: whoever could write it could make us give
 * a guest's memory to a stranger. */
static void
foreign_journal(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    scene_init(&s, MIGRATE_SEND);
    MigrateArchive *a = open_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_archive_write(a, s.session, &error));
    g_autofree char *path = path_of(&s, ".journal");
    g_autofree char *moved = path_of(&s, ".stranger");
    g_assert_no_errno(chmod(path, 0622));
    g_assert_false(migrate_archive_find(MIGRATE_SEND, s.qmp, &journal, NULL));
    g_assert_no_errno(chmod(path, 0600));
    g_assert_no_errno(rename(path, moved));
    g_assert_no_errno(symlink(moved, path));
    g_assert_false(migrate_archive_find(MIGRATE_SEND, s.qmp, &journal, NULL));
    g_assert_no_errno(rename(moved, path));
    g_assert_true(migrate_archive_find(MIGRATE_SEND, s.qmp, &journal, &error));
    migrate_archive_remove(a);
    scene_clear(&s);
}

static void
links(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, MIGRATE_RECEIVE);
    g_autofree char *directory = migrate_rundir_path();
    g_assert_true(migrate_rundir_make(directory, &error));
    g_autofree char *lock = path_of(&s, ".lock");
    g_autofree char *target = path_of(&s, ".stranger");
    g_assert_no_errno(symlink(target, lock));
    g_assert_null(open_archive(&s, MIGRATE_RECEIVE, &error));
    g_assert_nonnull(error);
    g_assert_cmpint(access(target, F_OK), <, 0);
    g_assert_no_errno(unlink(lock));
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A journal that somebody else left is none of our business. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/archive/lock-and-journal", lock_and_journal);
    g_test_add_func("/archive/after-qemu", after_qemu);
    g_test_add_func("/archive/remains", remains);
    g_test_add_func("/archive/numbers-anew", numbers_anew);
    g_test_add_func("/archive/one-at-work", one_at_work);
    g_test_add_func("/archive/foreign-journal", foreign_journal);
    g_test_add_func("/archive/links", links);
    return g_test_run();
}
