/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Is the guest on the move, by QEMU's words and by libvirt's status file.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "migrate/sweep/migrate-watch.h"

static void
what_qemu_says(void)
{
    static const struct {
        const char *run_state, *migration;
        MigrateWatchState state;
    } cases[] = {
        {"running", "none", MIGRATE_WATCH_STILL},
        {"paused", "none", MIGRATE_WATCH_STILL},
        {"inmigrate", "none", MIGRATE_WATCH_BUSY},
        {"inmigrate", "active", MIGRATE_WATCH_BUSY},
        {"inmigrate", "completed", MIGRATE_WATCH_BUSY},
        {"running", "postcopy-active", MIGRATE_WATCH_BUSY},
        {"running", "postcopy-paused", MIGRATE_WATCH_BUSY},
        {"running", "a-word-of-the-future", MIGRATE_WATCH_BUSY},
        {"running", "completed", MIGRATE_WATCH_ARRIVED},
        {"paused", "completed", MIGRATE_WATCH_ARRIVED},
        {"postmigrate", "completed", MIGRATE_WATCH_LEFT},
        {"finish-migrate", "device", MIGRATE_WATCH_BUSY},
        {"running", "failed", MIGRATE_WATCH_FAILED},
        {"running", "cancelled", MIGRATE_WATCH_FAILED},
        {"inmigrate", "failed", MIGRATE_WATCH_FAILED},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpstr(
            migrate_watch_state_name(migrate_watch_judge(cases[i].run_state,
                                                         cases[i].migration)),
            ==, migrate_watch_state_name(cases[i].state));
    }
}

#define STATUS                                                                 \
    "<domstatus state='running' reason='booted' pid='%d'>"                     \
    "<monitor path='/var/lib/libvirt/qemu/domain-1-a/monitor.sock' "           \
    "type='unix'/><job type='none' async='%s' phase='none'/>"                  \
    "<domain type='kvm'><name>a</name><qemu:commandline "                      \
    "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>%s"               \
    "</qemu:commandline></domain></domstatus>"
#define ARG(text) "<qemu:arg value='" text "'/>"

static void
which_monitor(void)
{
    static const struct {
        const char *arguments, *monitor;
    } cases[] = {
        {"", NULL},
        {ARG("-qmp") ARG("unix:/run/a.qmp,server=on,wait=off"), "/run/a.qmp"},
        {ARG("-chardev") ARG("socket,id=own,path=/run/b,server=on")
             ARG("-mon") ARG("chardev=own,mode=control"), "/run/b"},
        {ARG("-chardev") ARG("socket,id=own,path=/run/b")
             ARG("-mon") ARG("chardev=own,mode=readline"), NULL},
        {ARG("-qmp") ARG("tcp:localhost:4444"), NULL},
        {ARG("-device") ARG("unix:/run/c"), NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml =
            g_strdup_printf(STATUS, 77, "none", cases[i].arguments);
        g_auto(MigrateDomain) domain = {0};
        g_autoptr(GError) error = NULL;
        g_assert_true(migrate_domain_parse(xml, &domain, &error));
        g_assert_cmpint(domain.pid, ==, 77);
        g_assert_cmpstr(domain.job, ==, "none");
        g_assert_cmpstr(domain.monitor, ==, cases[i].monitor);
    }
}

static void
no_status_at_all(void)
{
    static const char *const texts[] = {"", "<domain/>", "<domstatus",
                                        "<domstatus pid='0'/>"};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(MigrateDomain) domain = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(migrate_domain_parse(texts[i], &domain, &error));
        g_assert_true(error_is(error, ERROR_PROTOCOL));
    }
}

static void
write_status(const char *directory, const char *job)
{
    g_autofree char *xml = g_strdup_printf(STATUS, 4711, job, "");
    g_autofree char *path = g_build_filename(directory, "a.xml", NULL);
    g_assert_true(g_file_set_contents(path, xml, -1, NULL));
}

/* Expected, under way, over: the file has no word for "completed". */
static void
a_status_file_through_a_migration(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("postlude-XXXXXX", NULL);
    g_autofree char *pid = g_build_filename(directory, "a.pid", NULL);
    g_autofree char *xml = g_build_filename(directory, "a.xml", NULL);
    g_setenv("POSTLUDE_LIBVIRT_RUN", directory, true);
    g_file_set_contents(pid, "4711\n", -1, NULL);
    static const struct {
        const char *job;
        MigrateWatchState state;
    } steps[] = {{"none", MIGRATE_WATCH_STILL},
                 {"migration in", MIGRATE_WATCH_BUSY},
                 {"migration in", MIGRATE_WATCH_BUSY},
                 {"none", MIGRATE_WATCH_ARRIVED},
                 {"none", MIGRATE_WATCH_ARRIVED}};
    MigrateWatchState state = MIGRATE_WATCH_STILL;
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        write_status(directory, steps[i].job);
        migrate_watch_look(NULL, "a", state, &state, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpint(state, ==, steps[i].state);
    }
    g_unlink(xml);
    g_unlink(pid);
    g_assert_false(
        migrate_watch_look(NULL, "a", state, &state, NULL, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_nonnull(strstr(error->message, "virsh list"));
    g_clear_error(&error);
    g_assert_false(
        migrate_watch_look(NULL, "../a", state, &state, NULL, &error));
    g_rmdir(directory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate-watch/qemu", what_qemu_says);
    g_test_add_func("/migrate-watch/domain/monitor", which_monitor);
    g_test_add_func("/migrate-watch/domain/none", no_status_at_all);
    g_test_add_func("/migrate-watch/domain/job",
                    a_status_file_through_a_migration);
    return g_test_run();
}
