/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Findings of a check and what they come to, for a person or a program.
 */
#pragma once

#include <stdbool.h>

#include "migrate/check/migrate-check.h"

/* Prints FINDINGS of CHECKED: a line each and one for the remedy, then XML (what
 * a domain's definition lacks; may be NULL), then the verdict; or all of it as
 * JSON. Returns the exit status: 0 for a yes, else 1. With --quiet, only that. */
int cli_findings_print(const MigrateChecked *checked,
                       const GPtrArray *findings, const char *xml, bool json);
