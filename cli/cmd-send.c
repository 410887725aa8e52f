/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude send: the source's side of a migration.
 */
#include "cli/cli-migrate.h"
#include "cli/cli.h"

int
cmd_send(int argc, char **argv)
{
    static const CliMigrate verb = {
        .verb = "send",
        .role = MIGRATE_SEND,
        .usage = "--qmp PATH --listen ADDRESS",
        .summary =
            "Hands a running guest over to 'postlude receive' on another "
            "host: switches over within\nmilliseconds, answers its page "
            "faults, pushes the rest. Ends when the destination has\nevery "
            "page; until then this process holds memory that the guest needs.",
        .address_option = "listen",
        .address_help = "Where the destination will connect",
        .streams_help = "Bulk connections (default: from the cores)",
        .give_up_help = "Free the memory that a killed sender left (the "
                        "guest must not need it)",
        .peer_help = "How long to wait for the destination (default 60)",
        .tls_name_option = "tls-peer",
        .tls_name_help =
            "Only this peer: its certificate's name, or user of the key",
    };
    g_auto(MigrateOptions) options = {0};
    const GOptionEntry own[] = {
        {"wait", 0, 0, G_OPTION_ARG_NONE, &options.wait,
         "Prepare everything, then switch over on SIGUSR1", NULL},
        {0}};
    return cli_migrate(&verb, &options, own, NULL, argc, argv);
}
