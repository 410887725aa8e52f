/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Findings, line by line: see cli-findings.h.
 */
#include "cli/cli-findings.h"

#include <stdio.h>

#include "migrate/migrate-check.h"

bool
cli_findings_print(const GPtrArray *findings)
{
    static const char *const marks[] = {"ok      ", "warning ", "MISSING "};
    bool missing = false;
    for (guint i = 0; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        printf("%s%s\n", marks[f->level], f->what);
        if (f->remedy) {
            printf("        remedy: %s\n", f->remedy);
        }
        missing = missing || f->level == MIGRATE_CHECK_MISSING;
    }
    return !missing;
}
