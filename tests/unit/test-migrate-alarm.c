/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Threads tell the main thread: the first error is kept, and it wakes up.
 */
#include "migrate/core/migrate-alarm.h"

#include "base/error.h"
#include "base/fd.h"

static void
the_first_is_kept(void)
{
    MigrateAlarm alarm;
    g_autoptr(GError) error = NULL;
    migrate_alarm_init(&alarm, NULL);
    g_assert_true(migrate_alarm_take(&alarm, &error));
    migrate_alarm_raise(&alarm, NULL);
    g_assert_true(migrate_alarm_take(&alarm, &error));
    migrate_alarm_raise(&alarm, g_error_new(POSTLUDE_ERROR, ERROR_VM_GONE,
                                            "first"));
    migrate_alarm_raise(&alarm, g_error_new(POSTLUDE_ERROR, ERROR_FAILED,
                                            "second"));
    g_assert_false(migrate_alarm_take(&alarm, &error));
    g_assert_cmpstr(error->message, ==, "first");
    g_clear_error(&error);
    g_assert_true(migrate_alarm_take(&alarm, &error));
    migrate_alarm_raise(&alarm, g_error_new(POSTLUDE_ERROR, ERROR_FAILED,
                                            "never taken"));
    migrate_alarm_clear(&alarm);
}

static gpointer
raise_later(gpointer data)
{
    g_usleep(20000);
    migrate_alarm_raise(data, g_error_new(POSTLUDE_ERROR, ERROR_PEER_GONE,
                                          "from a thread"));
    return NULL;
}

static gboolean
give_up(gpointer data)
{
    *(bool *)data = true;
    return G_SOURCE_REMOVE;
}

static void
the_main_thread_wakes(gconstpointer own)
{
    g_autoptr(GMainContext) context = own ? g_main_context_new() : NULL;
    MigrateAlarm alarm;
    g_autoptr(GError) error = NULL;
    bool too_late = false;
    migrate_alarm_init(&alarm, context);
    GSource *timeout = g_timeout_source_new_seconds(20);
    g_source_set_callback(timeout, give_up, &too_late, NULL);
    g_source_attach(timeout, context);
    GThread *thread = g_thread_new("raise", raise_later, &alarm);
    while (migrate_alarm_take(&alarm, &error) && !too_late) {
        g_main_context_iteration(context, true);
    }
    g_thread_join(thread);
    g_assert_false(too_late);
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_source_destroy(timeout);
    g_source_unref(timeout);
    migrate_alarm_clear(&alarm);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/alarm/first", the_first_is_kept);
    g_test_add_data_func("/alarm/wakes", NULL, the_main_thread_wakes);
    g_test_add_data_func("/alarm/wakes/own-context", "", the_main_thread_wakes);
    return g_test_run();
}
