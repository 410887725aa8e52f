/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was found out about a host and a guest. Each finding says what was
 * looked at and, unless it is fine, the remedy. No state; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    MIGRATE_CHECK_OK,
    MIGRATE_CHECK_WARNING, /* it works, but worse than it could */
    MIGRATE_CHECK_MISSING, /* essential: nothing is moved */
} MigrateCheckLevel;

typedef struct {
    MigrateCheckLevel level;
    char *what;
    char *remedy; /* NULL if OK */
    bool small;   /* a guest would arrive with small pages for it */
} MigrateFinding;

/* An empty list of findings; g_ptr_array_unref() frees it. */
GPtrArray *migrate_findings_new(void);
void migrate_findings_add(GPtrArray *findings, MigrateCheckLevel level,
                          const char *remedy, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Of the last finding, if it is a warning: the guest would arrive with small
 * pages. */
void migrate_findings_mark_small(GPtrArray *findings);

/* Logs warnings; the first missing thing becomes ERROR (UNSUPPORTED). */
bool migrate_findings_judge(const GPtrArray *findings, GError **error);
