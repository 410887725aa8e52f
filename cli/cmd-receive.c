/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude receive: the destination's side of a migration.
 */
#include "cli/cli-migrate.h"
#include "cli/cli.h"

int
cmd_receive(int argc, char **argv)
{
    static const CliMigrate verb = {
        .verb = "receive",
        .role = MIGRATE_RECEIVE,
        .usage = "--qmp PATH --connect ADDRESS",
        .summary =
            "Takes a guest over from 'postlude send': lays huge pages, guards "
            "the guest's memory with\nuserfaultfd, fetches what it touches, "
            "makes it huge again. Ends when all of it is here.\nQEMU was "
            "started with -incoming defer.",
        .address_option = "connect",
        .address_help = "Where 'postlude send' listens",
        .streams_help =
            "Bulk connections to ask for (default: the source decides)",
        .peer_help = "How long to wait for the source (default 60)",
    };
    g_auto(MigrateOptions) options = {0};
    const GOptionEntry paused = {
        "paused", 0, 0, G_OPTION_ARG_NONE, &options.paused,
        "Leave the guest paused; a management tool will start it", NULL};
    return cli_migrate(&verb, &options, &paused, argc, argv);
}
