/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a sweep achieved, as text for a person and as JSON with fixed names
 * (schema 1; docs/collapse.md lists them).
 */
#pragma once

#include "migrate/sweep/migrate-sweep.h"

/* Both owned by the caller, newline at the end. */
char *migrate_sweep_report_to_text(const MigrateSweepReport *report);
char *migrate_sweep_report_to_json(const MigrateSweepReport *report);
