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

#define PEER_TIMEOUT_S 60
#define LINK_TIMEOUT_S 10

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
    if (options->link_timeout_s < 1 || options->link_timeout_s > 3600) {
        return "--link-timeout takes 1 to 3600 seconds";
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

static bool
parse(const CliMigrate *verb, MigrateOptions *options,
      const GOptionEntry *flag, int argc, char **argv, int *status)
{
    const GOptionEntry entries[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &options->qmp_path,
         "QEMU's monitor socket (QMP)", "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &options->pid,
         "QEMU's process, if the socket does not tell", "N"},
        {verb->address_option, 0, 0, G_OPTION_ARG_STRING, &options->address,
         verb->address_help, "HOST:PORT|unix:PATH"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &options->streams,
         verb->streams_help, "N"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &options->peer_timeout_s,
         verb->peer_help, "SECONDS"},
        {"link-timeout", 0, 0, G_OPTION_ARG_INT, &options->link_timeout_s,
         "Silence after which connections count as lost (default 10)",
         "SECONDS"},
        *flag,
        {"report", 0, 0, G_OPTION_ARG_FILENAME, &options->report_path,
         "Write the report as JSON", "FILE"},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &options->insecure,
         "Allow addresses that other hosts can reach, unencrypted", NULL},
        {0}};
    options->role = verb->role;
    options->peer_timeout_s = PEER_TIMEOUT_S;
    options->link_timeout_s = LINK_TIMEOUT_S;
    return cli_parse(argc, argv, verb->usage, verb->summary, entries, status);
}

static int
run(const char *verb, const MigrateOptions *options)
{
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
        if (result != MIGRATE_EXIT_GIVEN_UP && !session->qemu_gone) {
            fprintf(stderr, "postlude %s: nothing has moved; the guest stays "
                            "on the source\n", verb);
        }
    } else {
        g_autofree char *text = migrate_report_to_text(&session->report);
        printf("%s", text);
    }
    write_report(session, verb);
    return result;
}

int
cli_migrate(const CliMigrate *verb, MigrateOptions *options,
            const GOptionEntry *flag, int argc, char **argv)
{
    int status;
    if (!parse(verb, options, flag, argc, argv, &status)) {
        return status;
    }
    const char *missing = what_is_missing(options);
    return missing ? cli_fail(verb->verb, missing, MIGRATE_EXIT_USAGE)
                   : run(verb->verb, options);
}
