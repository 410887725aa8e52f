/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a thread tells the main thread that something happened: the first error
 * is kept, and the main context is woken. Any thread may raise; only the main
 * thread takes.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

typedef struct {
    pthread_mutex_t lock; /* not GMutex: the thread sanitizer sees this one */
    GError *first;
    GMainContext *context; /* not owned; NULL is the default one */
} MigrateAlarm;

void migrate_alarm_init(MigrateAlarm *alarm, GMainContext *context);
void migrate_alarm_clear(MigrateAlarm *alarm);

/* Takes ERROR over (may be NULL: only wakes). */
void migrate_alarm_raise(MigrateAlarm *alarm, GError *error);

/* Hands out what was raised; true if there was nothing. */
bool migrate_alarm_take(MigrateAlarm *alarm, GError **error);
