/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude receive: the destination's side of a migration.
 */
#include "cli/cli-detach.h"
#include "cli/cli-migrate.h"
#include "cli/cli.h"
#include "migrate/story/migrate-stages.h"

static gboolean detach;
static char *log_path;

static int
go_to_the_background(MigrateOptions *options)
{
    if (options->resume && (detach || log_path)) {
        return cli_fail("receive", "--detach and --log do not go with "
                                   "--resume: who takes over stays until the "
                                   "last page is here; for the background use "
                                   "'systemd-run postlude receive --resume'",
                        MIGRATE_EXIT_USAGE);
    }
    if (options->resume) {
        return -1;
    }
    if (options->follow && options->paused) {
        return cli_fail("receive", "with --follow the guest is started by "
                                   "whoever drives QEMU: --paused does not go "
                                   "with it", MIGRATE_EXIT_USAGE);
    }
    if (!detach) {
        return log_path ? cli_fail("receive", "--log goes with --detach",
                                   MIGRATE_EXIT_USAGE)
                        : -1;
    }
    if (!options->follow || options->parent_fd || options->events_fd) {
        return cli_fail("receive", "--detach goes with --follow, and neither "
                                   "with --parent-fd nor --events-fd",
                        MIGRATE_EXIT_USAGE);
    }
    int status = cli_detach("receive", log_path);
    options->parent_fd = cli_detach_parent_fd();
    options->on_ready = cli_detach_ready;
    return status;
}

int
cmd_receive(int argc, char **argv)
{
    static const CliMigrate verb = {
        .verb = "receive",
        .role = MIGRATE_RECEIVE,
        .usage = "--qmp PATH --connect ADDRESS",
        .summary =
            "Takes a guest over from 'postlude send': lays huge pages, "
            "registers guest RAM with\nuserfaultfd, fetches each page that "
            "the guest touches and then all others, makes small\npages "
            "huge. Ends when all memory has arrived. Start QEMU with "
            "-incoming defer.",
        .address_option = "connect",
        .address_help = "Where 'postlude send' listens",
        .streams_help =
            "Bulk connections to ask for (default: the source decides)",
        .give_up_help = "End a guest here whose source is gone for good",
        .peer_help = "How long to wait for the source (default 60)",
        .tls_name_option = "tls-hostname",
        .tls_name_help = "Name in the source's certificate, if not HOST",
    };
    g_auto(MigrateOptions) options = {0};
    const GOptionEntry own[] = {
        {"paused", 0, 0, G_OPTION_ARG_NONE, &options.paused,
         "Leave the guest paused; a management tool will start it", NULL},
        {"detach", 0, 0, G_OPTION_ARG_NONE, &detach,
         "With --follow: return when QEMU may be given its guest", NULL},
        {"log", 0, 0, G_OPTION_ARG_FILENAME, &log_path,
         "With --detach: log there, not to the system's log", "FILE"},
        {0}};
    int status = cli_migrate(&verb, &options, own, go_to_the_background, argc,
                             argv);
    g_free(log_path);
    return status;
}
