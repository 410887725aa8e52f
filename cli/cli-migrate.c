/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running one side of a migration for a person: see cli-migrate.h.
 */
#include "cli/cli-migrate.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "migrate/migrate-progress.h"
#include "migrate/migrate-stages.h"
#include "migrate/migrate-status.h"

static const char *
what_is_missing(const MigrateOptions *options)
{
    if (!options->qmp_path) {
        return "--qmp PATH is missing";
    }
    if (!options->address) {
        return options->role == MIGRATE_SEND ? "--listen ADDRESS is missing"
                                             : "--connect ADDRESS is missing";
    }
    if (options->streams < 0 || options->streams > WIRE_MAX_STREAMS) {
        return "--streams takes a number from 1 to 64";
    }
    if (options->peer_timeout_s < 1 || options->peer_timeout_s > 86400) {
        return "--peer-timeout takes 1 to 86400 seconds";
    }
    return options->pid < 0 ? "--pid takes a process number" : NULL;
}

static void
write_report(const MigrateSession *session, const char *verb)
{
    g_autoptr(GError) why = NULL;
    if (session->options.report_path &&
        !migrate_report_write(&session->report, session->options.report_path,
                              &why)) {
        cli_fail(verb, why->message, 0);
    }
}

int
cli_migrate(const char *verb, const MigrateOptions *options)
{
    const char *missing = what_is_missing(options);
    if (missing) {
        return cli_fail(verb, missing, MIGRATE_EXIT_USAGE);
    }
    g_autoptr(MigrateSession) session = migrate_session_new(options);
    g_autoptr(MigrateStatus) status = migrate_status_open(session);
    g_autoptr(MigrateProgress) progress = migrate_progress_new(session);
    log_set_before_line(migrate_progress_hide);
    g_autoptr(GError) why = NULL;
    MigrateExit result = migrate_stages_run(session, &why);
    migrate_progress_hide();
    log_set_before_line(NULL);
    if (result != MIGRATE_EXIT_DONE) {
        cli_fail(verb, why->message, result);
    } else {
        g_autofree char *text = migrate_report_to_text(&session->report);
        printf("%s", text);
    }
    write_report(session, verb);
    return result;
}
