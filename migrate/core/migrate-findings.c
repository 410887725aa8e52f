/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A list of findings, and its judgement: see migrate-findings.h.
 */
#include "migrate/core/migrate-findings.h"

#include "base/error.h"

static void
free_finding(gpointer data)
{
    MigrateFinding *finding = data;
    g_free(finding->what);
    g_free(finding->remedy);
    g_free(finding);
}

GPtrArray *
migrate_findings_new(void)
{
    return g_ptr_array_new_with_free_func(free_finding);
}

void
migrate_findings_add(GPtrArray *findings, MigrateCheckLevel level,
                     const char *remedy, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    MigrateFinding *finding = g_new0(MigrateFinding, 1);
    finding->level = level;
    finding->what = g_strdup_vprintf(format, args);
    finding->remedy = level == MIGRATE_CHECK_OK ? NULL : g_strdup(remedy);
    g_ptr_array_add(findings, finding);
    va_end(args);
}

void
migrate_findings_mark_small(GPtrArray *findings)
{
    MigrateFinding *last = g_ptr_array_index(findings, findings->len - 1);
    last->small = last->level == MIGRATE_CHECK_WARNING;
}

bool
migrate_findings_judge(const GPtrArray *findings, GError **error)
{
    for (guint i = 0; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        if (f->level == MIGRATE_CHECK_MISSING) {
            return error_set(error, ERROR_UNSUPPORTED, "%s; %s", f->what,
                             f->remedy);
        }
        if (f->level == MIGRATE_CHECK_WARNING) {
            g_warning("%s; %s", f->what, f->remedy);
        }
    }
    return true;
}
