/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A line of --events-fd, read: whole, with what is new to us, and none at all.
 */
#include <string.h>

#include "base/error.h"
#include "migrate/show/migrate-event-line.h"

static void
test_stage(void)
{
    g_auto(MigrateEventLine) line = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(migrate_event_line_parse(
        "{\"stage\":\"postcopy\",\"past_no_return\":true,"
        "\"present_pages\":3,\"total_pages\":7,\"future\":{\"x\":[]}}",
        &line, &error));
    g_assert_cmpstr(line.stage, ==, "postcopy");
    g_assert_true(line.past_no_return);
    g_assert_cmpuint(line.present_pages, ==, 3);
    g_assert_cmpuint(line.total_pages, ==, 7);
    g_assert_cmpint(line.exit_status, ==, -1);
    g_assert_null(line.report);
}

static void
test_over(void)
{
    g_auto(MigrateEventLine) line = {0};
    g_assert_true(migrate_event_line_parse(
        "{\"stage\":\"over\",\"exit\":1,\"reason\":\"why \\\"so\\\"\","
        "\"report\":{\"schema\":1}}",
        &line, NULL));
    g_assert_cmpint(line.exit_status, ==, 1);
    g_assert_cmpstr(line.reason, ==, "why \"so\"");
    g_assert_cmpstr(line.report, ==, "{\"schema\":1}");
}

static void
test_none(gconstpointer text)
{
    g_auto(MigrateEventLine) line = {0};
    g_autoptr(GError) error = NULL;
    g_assert_false(migrate_event_line_parse(text, &line, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
}

int
main(int argc, char **argv)
{
    static const char *const none[] = {
        "",   "x",  "[]", "{}", "{\"stage\":7}", "{\"stage\":null}",
        "17", "{\"stage\":\"x\""};
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-line/stage", test_stage);
    g_test_add_func("/event-line/over", test_over);
    for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
        g_autofree char *path = g_strdup_printf("/event-line/none/%u", i);
        g_test_add_data_func(path, none[i], test_none);
    }
    return g_test_run();
}
