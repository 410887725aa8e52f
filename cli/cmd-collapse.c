/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude collapse: huge pages back for a guest that runs here.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli-detach.h"
#include "cli/cli.h"
#include "migrate/story/migrate-stages.h"
#include "migrate/sweep/migrate-sweep-report.h"

/* A signal has to reach the sweep wherever this thread happens to be, so the
 * handler itself raises the flag; write() may be called there. */
static int stop_flag = -1;

static void
on_signal(int signal_)
{
    uint64_t one = 1;
    if (write(stop_flag, &one, sizeof one) < 0) {
        return;
    }
}

static void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

typedef struct {
    MigrateSweepOptions sweep;
    const char *duty, *only;
    int pid;
    double max_time_s;
    gboolean after_migration, fast, all_mappers, dry_run, json, detach;
    char *log_path;
} Options;

/* NULL if all is well, else what is wrong with the command line. */
static const char *
collapse_take(Options *o)
{
    unsigned ways = (o->pid != 0) + (o->sweep.domain != NULL);
    if (o->pid < 0) {
        return "--pid takes a process number";
    }
    if (ways + (o->sweep.qmp_path != NULL) == 0) {
        return "say which guest: --pid N, --qmp PATH or --domain NAME";
    }
    if (ways == 2 || (o->sweep.domain && o->sweep.qmp_path)) {
        return "--domain goes with neither --pid nor --qmp";
    }
    if (o->fast && o->duty) {
        return "--fast makes no pauses: it does not go with --duty";
    }
    if (o->duty && !collapse_pace_parse_duty(o->duty, &o->sweep.duty)) {
        return "--duty takes a share of time, more than 0% and at most 100%";
    }
    if (o->only && g_strcmp0(o->only, "ram") != 0 &&
        g_strcmp0(o->only, "all") != 0) {
        return "--only takes 'ram' or 'all'";
    }
    if (o->log_path && !o->detach) {
        return "--log goes with --detach";
    }
    if (!(o->max_time_s >= 0 && o->max_time_s <= 1e9)) {
        return "--max-time takes seconds";
    }
    o->sweep.pid = o->pid;
    o->sweep.after_migration = o->after_migration;
    o->sweep.fast = o->fast;
    o->sweep.all = g_strcmp0(o->only, "all") == 0;
    o->sweep.all_mappers = o->all_mappers;
    o->sweep.dry_run = o->dry_run;
    o->sweep.quiet = o->json || log_is_quiet();
    o->sweep.max_ns = (uint64_t)(o->max_time_s * 1e9);
    return NULL;
}

/* A limit that the operator gave is no failure; an end that came from outside
 * is told apart from "all was tried". */
static int
exit_status(const MigrateSweepReport *report)
{
    bool as_wanted = g_str_equal(report->how, "completed") ||
                     g_str_equal(report->how, "max-time") ||
                     g_str_equal(report->how, "dry-run");
    return as_wanted ? MIGRATE_EXIT_DONE : MIGRATE_EXIT_GIVEN_UP;
}

static int
collapse_run(const Options *o)
{
    g_auto(MigrateSweepReport) report = {0};
    g_autoptr(GError) why = NULL;
    if (!migrate_sweep_run(&o->sweep, &report, &why)) {
        return cli_fail("collapse", why->message,
                        error_is(why, ERROR_USAGE) ? MIGRATE_EXIT_USAGE
                                                   : MIGRATE_EXIT_FAILED);
    }
    g_autofree char *text = o->json ? migrate_sweep_report_to_json(&report)
                                    : migrate_sweep_report_to_text(&report);
    if (o->json || !log_is_quiet()) {
        cli_print(text);
        log_copy_to_syslog(text);
    }
    return exit_status(&report);
}

int
cmd_collapse(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        {"pid", 0, 0, G_OPTION_ARG_INT, &o.pid, "QEMU's process", "N"},
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &o.sweep.qmp_path,
         "QEMU's monitor socket (QMP)", "PATH"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &o.sweep.domain,
         "A guest of libvirt on this host", "NAME"},
        {"after-migration", 0, 0, G_OPTION_ARG_NONE, &o.after_migration,
         "Wait for the end of an incoming migration first", NULL},
        {"duty", 0, 0, G_OPTION_ARG_STRING, &o.duty,
         "Share of time to work in (default " COLLAPSE_DEFAULT_DUTY ")", "P%"},
        {"fast", 0, 0, G_OPTION_ARG_NONE, &o.fast,
         "No pauses: the guest all but stands still meanwhile", NULL},
        {"max-time", 0, 0, G_OPTION_ARG_DOUBLE, &o.max_time_s,
         "Stop after so long, waiting not counted", "SECONDS"},
        {"only", 0, 0, G_OPTION_ARG_STRING, &o.only,
         "Guest RAM (default), or all memory of QEMU", "ram|all"},
        {"all-mappers", 0, 0, G_OPTION_ARG_NONE, &o.all_mappers,
         "Other processes that map the guest's RAM too (vhost-user)", NULL},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &o.dry_run,
         "Only say what there is to do", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Report as JSON", NULL},
        {"detach", 0, 0, G_OPTION_ARG_NONE, &o.detach,
         "Do it in the background", NULL},
        {"log", 0, 0, G_OPTION_ARG_FILENAME, &o.log_path,
         "With --detach: log there, not to the system's log", "FILE"},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "--pid N|--qmp PATH|--domain NAME",
                   "Makes the memory of a running guest huge again, 2 MiB at "
                   "a time, with pauses that leave\nthe guest its pace. Exit "
                   "status: 0 all was tried or the time was over; 1 nothing "
                   "was\nswept; 3 it ended before (stopped, no memory, a "
                   "cgroup's limit, the guest ended or\nmigrates), or not "
                   "every other mapper could be swept.",
                   entries, &status)) {
        return status;
    }
    const char *wrong = collapse_take(&o);
    if (wrong) {
        return cli_fail("collapse", wrong, MIGRATE_EXIT_USAGE);
    }
    status = o.detach ? cli_detach("collapse", o.log_path) : -1;
    g_free(o.log_path);
    if (status >= 0) {
        return status;
    }
    if (o.detach) {
        cli_detach_ready(NULL); /* nobody to wait for: it may have gone */
    }
    autofd flag = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    stop_flag = o.sweep.stop = flag;
    catch_signals();
    return collapse_run(&o);
}
