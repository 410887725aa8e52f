/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the story asks of whoever drives QEMU, and what it makes of the answers:
 * the switchover, and taking over from a sender that died. A driver that drives
 * nothing.
 */
#include "migrate/story/migrate-switchover.h"

#include <unistd.h>

#include "base/error.h"
#include "migrate/story/migrate-stages.h"
#include "tests/support/fake-driver.h"
#include "tests/unit/session-scene.h"

/* A step that fails ends it, unless the driver says that it is too late. */
static void
switch_over(const char *fails, bool too_late, bool ok, const char *calls)
{
    SessionScene s;
    FakeDriver fake;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    fake_driver_init(&fake, s.session);
    fake.fails = fails;
    fake.is_too_late = too_late;
    g_assert_cmpint(migrate_switchover_source(s.session, &error), ==, ok);
    g_assert_cmpint(error != NULL, ==, !ok);
    g_assert_cmpstr(fake.calls->str, ==, calls);
    fake_driver_clear(&fake);
    session_scene_clear(&s);
}

static void
steps(void)
{
    switch_over("open", false, false, "open is-too-late");
    switch_over("freeze", false, false, "open freeze is-too-late");
    switch_over("freeze", true, true, "open freeze is-too-late commit");
}

/* RESUME of a sender that died at the switchover: how it ends, and whether its
 * journal is still there afterwards. */
static void
take_over(bool passed, bool cannot_ask, MigrateExit result, const char *calls,
          bool stays)
{
    SessionScene s;
    FakeDriver fake;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    fake_driver_init(&fake, s.session);
    fake.was_passed = passed;
    fake.cannot_ask = cannot_ask;
    s.session->options.resume = true;
    MigrateArchive *archive = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, archive, &error));
    g_assert_cmpint(migrate_stages_run(s.session, &error), ==, result);
    g_assert_nonnull(error);
    g_assert_cmpstr(fake.calls->str, ==, calls);
    g_autofree char *journal = session_scene_path(&s, ".journal");
    g_assert_cmpint(access(journal, F_OK) == 0, ==, stays);
    fake_driver_clear(&fake);
    session_scene_clear(&s);
    migrate_archive_remove(archive);
}

static void
not_passed(void)
{
    take_over(false, false, MIGRATE_EXIT_FAILED,
              "was-passed-unseen source-undo forbid", false);
}

static void
not_known(void)
{
    take_over(false, true, MIGRATE_EXIT_FAILED, "was-passed-unseen forbid",
              true);
}

/* Nothing is undone; there is no memory to be held, so it is given up. */
static void
passed(void)
{
    take_over(true, false, MIGRATE_EXIT_GIVEN_UP, "was-passed-unseen", true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What cannot be known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/switchover/steps", steps);
    g_test_add_func("/switchover/resume/not-passed", not_passed);
    g_test_add_func("/switchover/resume/not-known", not_known);
    g_test_add_func("/switchover/resume/passed", passed);
    return g_test_run();
}
