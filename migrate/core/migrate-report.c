/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Figures of a migration: see migrate-report.h.
 */
#include "migrate/core/migrate-report.h"

#include "base/fd.h"

void
migrate_report_clear(MigrateReport *report)
{
    g_clear_pointer(&report->reason, g_free);
    g_clear_pointer(&report->vm_name, g_free);
    g_clear_pointer(&report->vm_uuid, g_free);
}

void
migrate_report_arrived(MigrateReport *report)
{
    if (!report->arrived_ns) {
        report->arrived_ns = fd_now_ns();
    }
}
