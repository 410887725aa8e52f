/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running one side of a migration for a person: see cli-migrate.h.
 */
#include "cli/cli-migrate.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli-path.h"
#include "cli/cli.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/core/migrate-trust.h"
#include "migrate/session/migrate-record.h"
#include "migrate/show/migrate-events.h"
#include "migrate/show/migrate-progress.h"
#include "migrate/show/migrate-status.h"
#include "migrate/show/migrate-summary.h"
#include "migrate/story/migrate-resume.h"
#include "migrate/story/migrate-stages.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-give-up.h"

#define PEER_TIMEOUT_S 60
#define LINK_TIMEOUT_S 10

/* 0, not given, is as good. */
static bool
is_open(int fd)
{
    return fd == 0 || (fd > 2 && fcntl(fd, F_GETFD) >= 0);
}

static const char *
what_is_wrong(const MigrateOptions *options)
{
    if (options->streams < 0 || options->streams > WIRE_MAX_STREAMS) {
        return "--streams takes a number from 1 to 64";
    }
    if (options->peer_timeout_s < 1 || options->peer_timeout_s > 86400) {
        return "--peer-timeout takes 1 to 86400 seconds";
    }
    if (options->link_timeout_s < 1 || options->link_timeout_s > 3600) {
        return "--link-timeout takes 1 to 3600 seconds";
    }
    if (!is_open(options->parent_fd) || !is_open(options->events_fd)) {
        return "--parent-fd and --events-fd take the number of a pipe that "
               "was handed to this process";
    }
    return options->pid < 0 ? "--pid takes a process number" : NULL;
}

static const char *
what_is_missing(const MigrateOptions *options)
{
    if (options->resume && options->give_up) {
        return "--resume and --give-up exclude each other";
    }
    if (options->resume || options->give_up) {
        return what_is_wrong(options);
    }
    if (!options->qmp_path) {
        return "--qmp PATH is missing";
    }
    if (!options->address) {
        return options->role == MIGRATE_SEND ? "--listen ADDRESS is missing"
                                             : "--connect ADDRESS is missing";
    }
    return what_is_wrong(options);
}

static void
write_report(const MigrateSession *session, const char *verb)
{
    g_autoptr(GError) why = NULL;
    const MigrateReport *report = &session->report;
    const char *path = session->options.report_path;
    bool ok = session->report_file >= 0
                  ? migrate_summary_write_to(report, session->report_file, &why)
                  : !path || migrate_summary_write(report, path, &why);
    if (!ok) {
        cli_fail(verb, why->message, 0);
    }
}

/* Both verbs' options, the verb's OWN among them. */
static void
fill_entries(const CliMigrate *verb, MigrateOptions *options,
             const GOptionEntry *own, GArray *entries)
{
    const GOptionEntry head[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &options->qmp_path,
         "QEMU's monitor socket (QMP)", "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &options->pid,
         "QEMU's process: if the socket does not tell, or to say which of "
         "several was interrupted", "N"},
        {verb->address_option, 0, 0, G_OPTION_ARG_STRING, &options->address,
         verb->address_help, "HOST:PORT|unix:PATH"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &options->streams,
         verb->streams_help, "N"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &options->peer_timeout_s,
         verb->peer_help, "SECONDS"},
        {"link-timeout", 0, 0, G_OPTION_ARG_INT, &options->link_timeout_s,
         "Silence after which connections count as lost (default 10)",
         "SECONDS"}};
    const GOptionEntry tail[] = {
        {"follow", 0, 0, G_OPTION_ARG_NONE, &options->follow,
         "Somebody else (libvirt) drives QEMU's migration", NULL},
        {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &options->token_path,
         "32 hex digits that the other side has to show", "FILE"},
        {"parent-fd", 0, 0, G_OPTION_ARG_INT, &options->parent_fd,
         "Cancel when this pipe is closed (before the switchover)", "N"},
        {"events-fd", 0, 0, G_OPTION_ARG_INT, &options->events_fd,
         "Write each stage to this descriptor, one JSON object per line", "N"},
        {"resume", 0, 0, G_OPTION_ARG_NONE, &options->resume,
         "Take over from a helper that was killed", NULL},
        {"give-up", 0, 0, G_OPTION_ARG_NONE, &options->give_up,
         verb->give_up_help, NULL},
        {"report", 0, 0, G_OPTION_ARG_FILENAME, &options->report_path,
         "Write the report as JSON", "FILE"},
        {"tls", 0, 0, G_OPTION_ARG_NONE, &options->tls,
         "Encrypt and authenticate with the certificates "
         "in " WIRE_TLS_CREDS_DIRECTORY,
         NULL},
        {"tls-creds", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_creds,
         "The same with those in DIR", "DIR"},
        {"tls-psk", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_psk,
         "The same with a pre-shared key (USER:HEXKEY)", "FILE"},
        {verb->tls_name_option, 0, 0, G_OPTION_ARG_STRING, &options->tls_name,
         verb->tls_name_help, "NAME"},
        {"no-confine", 0, 0, G_OPTION_ARG_NONE, &options->no_confine,
         "Keep all rights of this user (no confinement)", NULL},
        {"require-confine", 0, 0, G_OPTION_ARG_NONE, &options->require_confine,
         "Fail if the confinement is not complete", NULL},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &options->insecure,
         "Allow addresses that other hosts can reach, unencrypted", NULL}};
    g_array_append_vals(entries, head, G_N_ELEMENTS(head));
    for (; own->long_name; own++) {
        g_array_append_val(entries, *own);
    }
    g_array_append_vals(entries, tail, G_N_ELEMENTS(tail));
}

/* For tests of silence. */
static unsigned
read_patience(void)
{
    const char *percent = g_getenv("POSTLUDE_PATIENCE");
    guint64 value = 0;
    return percent &&
                   g_ascii_string_to_unsigned(percent, 10, 1, 100, &value, NULL)
               ? (unsigned)value
               : 0;
}

static bool
parse(const CliMigrate *verb, MigrateOptions *options,
      const GOptionEntry *own, int argc, char **argv, int *status)
{
    g_autoptr(GArray) entries =
        g_array_new(true, true, sizeof(GOptionEntry));
    fill_entries(verb, options, own, entries);
    options->role = verb->role;
    options->peer_timeout_s = PEER_TIMEOUT_S;
    options->link_timeout_s = LINK_TIMEOUT_S;
    options->patience_percent = read_patience();
    if (!cli_parse(argc, argv, verb->usage, verb->summary,
                   (const GOptionEntry *)(const void *)entries->data,
                   status)) {
        return false;
    }
    cli_path_make_address_absolute(&options->address);
    return true;
}

static void
tell(const char *text)
{
    if (!log_is_quiet()) {
        cli_print(text);
        log_copy_to_syslog(text);
    }
}

static int
give_up(const char *verb, const MigrateOptions *options)
{
    g_autoptr(GError) why = NULL;
    if (!migrate_give_up(options, &why)) {
        return cli_fail(verb, why->message, MIGRATE_EXIT_FAILED);
    }
    tell(options->role == MIGRATE_SEND
             ? "the guest's memory on this host was let go\n"
             : "the guest on this host was ended\n");
    return MIGRATE_EXIT_DONE;
}

static int
run(const char *verb, MigrateOptions *options)
{
    g_auto(MigrateJournal) journal = {0};
    g_autoptr(GError) missing = NULL;
    migrate_status_forget_dead();
    migrate_archive_forget_dead();
    if (options->resume && !migrate_resume_find(options, &journal, &missing)) {
        return cli_fail(verb, missing->message, MIGRATE_EXIT_FAILED);
    }
    if (!migrate_confine_begin(options, &missing)) {
        return cli_fail(verb, missing->message, MIGRATE_EXIT_FAILED);
    }
    g_autoptr(MigrateSession) session = migrate_session_new(options);
    if (options->resume) {
        migrate_record_give(&journal, session);
    }
    g_autoptr(MigrateStatus) status = migrate_status_open(session);
    g_autoptr(MigrateProgress) progress = migrate_progress_new(session);
    g_autoptr(MigrateEvents) events = migrate_events_new(session);
    log_set_before_line(migrate_progress_hide);
    g_autoptr(GError) why = NULL;
    MigrateExit result = migrate_stages_run(session, &why);
    migrate_progress_hide();
    log_set_before_line(NULL);
    if (result != MIGRATE_EXIT_DONE) {
        cli_fail(verb, why->message, result);
        if (result != MIGRATE_EXIT_GIVEN_UP && !session->guest.gone &&
            !options->resume) {
            fprintf(stderr,
                    "postlude %s: nothing was moved; the guest is "
                    "where it was\n",
                    verb);
        }
    } else {
        g_autofree char *text = migrate_summary_to_text(&session->report);
        tell(text);
    }
    write_report(session, verb);
    migrate_events_over(events, result);
    return result;
}

int
cli_migrate(const CliMigrate *verb, MigrateOptions *options,
            const GOptionEntry *own, int (*before)(MigrateOptions *),
            int argc, char **argv)
{
    int status;
    if (!parse(verb, options, own, argc, argv, &status)) {
        return status;
    }
    const char *missing = what_is_missing(options);
    if (missing) {
        return cli_fail(verb->verb, missing, MIGRATE_EXIT_USAGE);
    }
    if (options->give_up) {
        return give_up(verb->verb, options);
    }
    g_autoptr(GError) why = NULL;
    if (!migrate_trust_check(options, &why)) {
        return cli_fail(verb->verb, why->message, MIGRATE_EXIT_USAGE);
    }
    status = before ? before(options) : -1;
    return status >= 0 ? status : run(verb->verb, options);
}
