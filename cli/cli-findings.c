/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Findings, line by line: see cli-findings.h.
 */
#include "cli/cli-findings.h"

#include <stdio.h>

#include "base/log.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "migrate/show/migrate-verdict.h"

static void
print_finding(const MigrateFinding *finding)
{
    static const char *const marks[] = {"ok      ", "warning ", "MISSING "};
    g_autofree char *what = printable_line(finding->what);
    printf("%s%s\n", marks[finding->level], what);
    if (finding->remedy) {
        g_autofree char *remedy = printable_line(finding->remedy);
        printf("        remedy: %s\n", remedy);
    }
}

static void
print_text(const MigrateChecked *checked, const GPtrArray *findings,
           const char *xml)
{
    for (guint i = 0; i < findings->len; i++) {
        print_finding(g_ptr_array_index(findings, i));
    }
    if (xml && *xml) {
        printf("\n");
        cli_print(xml);
        printf("\n");
    }
    g_autofree char *words = migrate_verdict_words(checked, findings);
    printf("verdict %s\n", words);
}

int
cli_findings_print(const MigrateChecked *checked, const GPtrArray *findings,
                   const char *xml, bool json)
{
    MigrateVerdict verdict = migrate_verdict(checked, findings);
    if (json) {
        g_autofree char *text =
            migrate_verdict_to_json(checked, findings, xml);
        fputs(text, stdout);
    } else if (!log_is_quiet()) {
        print_text(checked, findings, xml);
    }
    return verdict == MIGRATE_VERDICT_YES || verdict == MIGRATE_VERDICT_SMALL
               ? 0
               : 1;
}
