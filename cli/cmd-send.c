/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude send: the source's side of a migration.
 */
#include "cli/cli.h"
#include "cli/cli-migrate.h"

int
cmd_send(int argc, char **argv)
{
    g_auto(MigrateOptions) options = {.role = MIGRATE_SEND, .peer_timeout_s = 60};
    const GOptionEntry entries[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &options.qmp_path,
         "QEMU's monitor socket (QMP)", "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &options.pid,
         "QEMU's process, if the socket does not tell", "N"},
        {"listen", 0, 0, G_OPTION_ARG_STRING, &options.address,
         "Where the destination will connect", "HOST:PORT|unix:PATH"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &options.streams,
         "Bulk connections (default: from the cores)", "N"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &options.peer_timeout_s,
         "How long to wait for the destination (default 60)", "SECONDS"},
        {"wait", 0, 0, G_OPTION_ARG_NONE, &options.wait,
         "Prepare everything, then switch over on SIGUSR1", NULL},
        {"report", 0, 0, G_OPTION_ARG_FILENAME, &options.report_path,
         "Write the report as JSON", "FILE"},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &options.insecure,
         "Allow addresses that other hosts can reach, unencrypted", NULL},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "send --qmp PATH --listen ADDRESS",
                   "Hands a running guest over to 'postlude receive' on "
                   "another host: switches over within\nmilliseconds, answers "
                   "its page faults, pushes the rest. Ends when the "
                   "destination has\nevery page; until then this process holds "
                   "memory that the guest needs.",
                   entries, &status)) {
        return status;
    }
    return cli_migrate("send", &options);
}
