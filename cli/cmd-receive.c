/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude receive: the destination's side of a migration.
 */
#include "cli/cli.h"
#include "cli/cli-migrate.h"

int
cmd_receive(int argc, char **argv)
{
    g_auto(MigrateOptions) options = {.role = MIGRATE_RECEIVE, .peer_timeout_s = 60};
    const GOptionEntry entries[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &options.qmp_path,
         "QEMU's monitor socket (QMP); QEMU was started with -incoming defer",
         "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &options.pid,
         "QEMU's process, if the socket does not tell", "N"},
        {"connect", 0, 0, G_OPTION_ARG_STRING, &options.address,
         "Where 'postlude send' listens", "HOST:PORT|unix:PATH"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &options.streams,
         "Bulk connections to ask for (default: the source decides)", "N"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &options.peer_timeout_s,
         "How long to wait for the source (default 60)", "SECONDS"},
        {"paused", 0, 0, G_OPTION_ARG_NONE, &options.paused,
         "Leave the guest paused; a management tool will start it", NULL},
        {"report", 0, 0, G_OPTION_ARG_FILENAME, &options.report_path,
         "Write the report as JSON", "FILE"},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &options.insecure,
         "Allow addresses that other hosts can reach, unencrypted", NULL},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "receive --qmp PATH --connect ADDRESS",
                   "Takes a guest over from 'postlude send': lays huge pages, "
                   "guards the guest's memory with\nuserfaultfd, fetches what "
                   "it touches, makes it huge again. Ends when all of it is "
                   "here.",
                   entries, &status)) {
        return status;
    }
    return cli_migrate("receive", &options);
}
