/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The report of a migration as JSON with fixed names (schema 1), and as text
 * for a person. No state; any thread.
 */
#pragma once

#include "migrate/core/migrate-report.h"

/* The JSON document, newline at the end; owned by the caller. */
char *migrate_summary_to_json(const MigrateReport *report);

/* The same for a terminal, several lines; owned by the caller. */
char *migrate_summary_to_text(const MigrateReport *report);

/* Writes the JSON to PATH, all or nothing (a rename). */
bool migrate_summary_write(const MigrateReport *report, const char *path,
                          GError **error);

/* The same into FILE, which was opened while that was allowed. */
bool migrate_summary_write_to(const MigrateReport *report, int file,
                             GError **error);
