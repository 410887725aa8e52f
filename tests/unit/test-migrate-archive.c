/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may take over: while a helper lives and after it was killed, journals of
 * QEMUs that live and of those that do not, links in the way.
 */
#include "migrate/takeover/migrate-archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/session-scene.h"

static bool
find(MigrateRole role, char *qmp_path, MigrateJournal *journal, GError **error)
{
    const MigrateOptions options = {.role = role, .qmp_path = qmp_path};
    return migrate_archive_find(&options, journal, error);
}

static bool
is_orphan(const SessionScene *s)
{
    bool found = false;
    g_autoptr(GPtrArray) all = migrate_archive_orphans();
    for (guint i = 0; i < all->len; i++) {
        const MigrateJournal *j = g_ptr_array_index(all, i);
        found |= j->qemu_pid == s->session->guest.pid;
    }
    return found;
}

static bool
exists(const SessionScene *s, const char *ending)
{
    g_autofree char *path = session_scene_path(s, ending);
    return access(path, F_OK) == 0;
}

static void
claim_and_journal(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateClaim *claim = session_scene_claim(&s, &error);
    MigrateArchive *a = session_scene_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    autofd pages = migrate_archive_new_pages(a, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(pages, "xyz", 3), ==, 3);
    g_assert_true(session_scene_write(&s, a, &error));

    /* At work: found, but nobody's to take over. */
    g_assert_false(is_orphan(&s));
    g_assert_true(find(MIGRATE_RECEIVE, s.qmp, &journal,
                                       &error));
    g_assert_cmpint(journal.qemu_pid, ==, s.qemu);

    /* The files outlive it, the claim does not. */
    migrate_archive_close(a);
    migrate_claim_drop(claim);
    g_assert_true(is_orphan(&s));
    a = session_scene_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    char text[4] = "";
    autofd old = migrate_archive_old_pages(a, &error);
    g_assert_cmpint(read(old, text, 3), ==, 3);
    g_assert_cmpstr(text, ==, "xyz");
    migrate_archive_remove(a);
    g_assert_false(is_orphan(&s));
    g_assert_false(exists(&s, ".journal") || exists(&s, ".lock"));
    session_scene_clear(&s);
}

/* A destination's is worth nothing then, a source's everything. */
static void
after_qemu(void)
{
    static const MigrateRole roles[] = {MIGRATE_RECEIVE, MIGRATE_SEND};
    for (unsigned i = 0; i < G_N_ELEMENTS(roles); i++) {
        SessionScene s;
        g_autoptr(GError) error = NULL;
        g_auto(MigrateJournal) journal = {0};
        session_scene_init(&s, roles[i]);
        MigrateArchive *a = session_scene_archive(&s, roles[i], &error);
        g_assert_no_error(error);
        session_scene_write(&s, a, &error);
        migrate_archive_close(a);
        session_scene_end_qemu(&s);
        bool found =
            find(roles[i], s.qmp, &journal, &error);
        g_assert_cmpint(found, ==, roles[i] == MIGRATE_SEND);
        g_autofree char *path = session_scene_path(&s, ".journal");
        g_assert_cmpint(access(path, F_OK) == 0, ==, found);
        if (found) {
            migrate_archive_remove(
                session_scene_archive(&s, roles[i], NULL));
        } else {
            g_assert_true(error_is(error, ERROR_STATE));
        }
        session_scene_clear(&s);
    }
}

/* Its source may still hold memory for it, and has to be told; but with
 * --follow only if the guest ever ran here. */
static void
after_a_guest(void)
{
    static const struct {
        bool follow, ran, found;
    } cases[] = {{false, false, true}, {true, false, false},
                 {true, true, true}};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SessionScene s;
        g_autoptr(GError) error = NULL;
        g_auto(MigrateJournal) journal = {0};
        session_scene_init(&s, MIGRATE_RECEIVE);
        s.session->past_no_return = true;
        s.session->options.follow = cases[i].follow;
        s.session->destination.ran = cases[i].ran;
        MigrateArchive *a =
            session_scene_archive(&s, MIGRATE_RECEIVE, &error);
        g_assert_no_error(error);
        session_scene_write(&s, a, &error);
        migrate_archive_close(a);
        session_scene_end_qemu(&s);
        bool found = find(MIGRATE_RECEIVE, s.qmp, &journal, NULL);
        g_assert_cmpint(found, ==, cases[i].found);
        g_assert_cmpint(exists(&s, ".journal"), ==, found);
        if (found) {
            migrate_archive_remove(
                session_scene_archive(&s, MIGRATE_RECEIVE, NULL));
        }
        session_scene_clear(&s);
    }
}

/* Killed between the first and the last file it removed; and one at work, that
 * has no journal yet. */
static void
remains(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateClaim *claim = session_scene_claim(&s, &error);
    MigrateArchive *a = session_scene_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    autofd pages = migrate_archive_new_pages(a, &error);
    g_assert_no_error(error);
    migrate_archive_forget_dead();
    g_assert_true(exists(&s, ".pages") && exists(&s, ".lock"));
    session_scene_write(&s, a, &error);
    g_assert_no_error(error);
    migrate_archive_close(a);
    migrate_claim_drop(claim);
    migrate_archive_forget_dead();
    g_assert_true(exists(&s, ".pages") && exists(&s, ".journal"));
    g_autofree char *journal = session_scene_path(&s, ".journal");
    g_assert_no_errno(unlink(journal));
    migrate_archive_forget_dead();
    g_assert_false(exists(&s, ".pages") || exists(&s, ".lock"));
    session_scene_clear(&s);
}

/* The kernel has given the number of a source's QEMU to another one: what is
 * held of the first is none of the second's business. */
static void
numbers_anew(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateArchive *first = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, first, &error));
    migrate_archive_close(first);
    g_autofree char *keeper = migrate_archive_keeper_path(
        s.session->guest.pid, s.session->guest.started);
    uint64_t started = s.session->guest.started++;
    g_autofree char *another = migrate_archive_keeper_path(
        s.session->guest.pid, s.session->guest.started);
    g_assert_cmpstr(keeper, !=, another);
    MigrateArchive *second = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, second, &error));
    migrate_archive_remove(second);
    s.session->guest.started = started;
    g_assert_true(exists(&s, ".journal"));
    migrate_archive_remove(session_scene_archive(&s, MIGRATE_SEND, NULL));
    session_scene_clear(&s);
}

/* Of several, the ones that somebody works on need nobody. */
static void
one_at_work(void)
{
    SessionScene worked_on, interrupted;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    session_scene_init(&worked_on, MIGRATE_RECEIVE);
    session_scene_init(&interrupted, MIGRATE_RECEIVE);
    MigrateArchive *busy = session_scene_archive(&worked_on, MIGRATE_RECEIVE, &error);
    MigrateArchive *dead = session_scene_archive(&interrupted, MIGRATE_RECEIVE, &error);
    MigrateClaim *at_work = session_scene_claim(&worked_on, &error);
    MigrateClaim *killed = session_scene_claim(&interrupted, &error);
    g_assert_no_error(error);
    session_scene_write(&worked_on, busy, &error);
    session_scene_write(&interrupted, dead, &error);
    g_assert_no_error(error);
    g_assert_false(find(MIGRATE_RECEIVE, NULL, &journal,
                                        &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_clear_error(&error);
    migrate_archive_close(dead);
    migrate_claim_drop(killed);
    g_assert_true(find(MIGRATE_RECEIVE, NULL, &journal,
                                       &error));
    g_assert_cmpint(journal.qemu_pid, ==, interrupted.qemu);
    migrate_archive_remove(session_scene_archive(&interrupted, MIGRATE_RECEIVE, NULL));
    migrate_archive_remove(busy);
    migrate_claim_drop(at_work);
    session_scene_clear(&worked_on);
    session_scene_clear(&interrupted);
}

/* A journal without its page states would only be tried in vain. */
static void
without_pages(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateArchive *a = session_scene_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    autofd pages = migrate_archive_new_pages(a, &error);
    g_assert_no_error(error);
    g_autofree char *path = session_scene_path(&s, ".pages");
    g_assert_no_errno(unlink(path));
    g_assert_false(session_scene_write(&s, a, &error));
    g_assert_nonnull(strstr(error->message, "the page states in "));
    g_assert_false(exists(&s, ".journal"));
    migrate_archive_remove(a);
    session_scene_clear(&s);
}

/* Another user's, or a link to one: whoever could write it could make us give
 * a guest's memory to a stranger. */
static void
foreign_journal(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) journal = {0};
    session_scene_init(&s, MIGRATE_SEND);
    MigrateArchive *a = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, a, &error));
    g_autofree char *path = session_scene_path(&s, ".journal");
    g_autofree char *moved = session_scene_path(&s, ".stranger");
    g_assert_no_errno(chmod(path, 0622));
    g_assert_false(find(MIGRATE_SEND, s.qmp, &journal, NULL));
    g_assert_no_errno(chmod(path, 0600));
    g_assert_no_errno(rename(path, moved));
    g_assert_no_errno(symlink(moved, path));
    g_assert_false(find(MIGRATE_SEND, s.qmp, &journal, NULL));
    g_assert_no_errno(rename(moved, path));
    g_assert_true(find(MIGRATE_SEND, s.qmp, &journal, &error));
    migrate_archive_remove(a);
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A journal that somebody else left is none of our business. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/archive/claim-and-journal", claim_and_journal);
    g_test_add_func("/archive/after-qemu", after_qemu);
    g_test_add_func("/archive/after-a-guest", after_a_guest);
    g_test_add_func("/archive/remains", remains);
    g_test_add_func("/archive/numbers-anew", numbers_anew);
    g_test_add_func("/archive/one-at-work", one_at_work);
    g_test_add_func("/archive/without-pages", without_pages);
    g_test_add_func("/archive/foreign-journal", foreign_journal);
    return g_test_run();
}
