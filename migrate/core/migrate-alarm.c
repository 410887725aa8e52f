/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors of threads, for the main thread: see migrate-alarm.h.
 */
#include "migrate/core/migrate-alarm.h"

void
migrate_alarm_init(MigrateAlarm *alarm, GMainContext *context)
{
    pthread_mutex_init(&alarm->lock, NULL);
    alarm->first = NULL;
    alarm->context = context;
}

void
migrate_alarm_clear(MigrateAlarm *alarm)
{
    g_clear_error(&alarm->first);
    pthread_mutex_destroy(&alarm->lock);
}

void
migrate_alarm_raise(MigrateAlarm *alarm, GError *error)
{
    pthread_mutex_lock(&alarm->lock);
    if (error && !alarm->first) {
        alarm->first = g_steal_pointer(&error);
    }
    pthread_mutex_unlock(&alarm->lock);
    g_clear_error(&error);
    g_main_context_wakeup(alarm->context);
}

bool
migrate_alarm_take(MigrateAlarm *alarm, GError **error)
{
    pthread_mutex_lock(&alarm->lock);
    GError *taken = g_steal_pointer(&alarm->first);
    pthread_mutex_unlock(&alarm->lock);
    if (!taken) {
        return true;
    }
    g_propagate_error(error, taken);
    return false;
}
