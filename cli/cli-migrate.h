/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What send and receive share: their options, running the story, showing it,
 * reporting it.
 */
#pragma once

#include "migrate/migrate-session.h"

/* One of the two verbs, as far as it differs from the other. */
typedef struct {
    const char *verb;
    MigrateRole role;
    const char *usage, *summary;
    const char *address_option, *address_help;
    const char *streams_help, *peer_help;
} CliMigrate;

/* Parses ARGV: what both verbs take, and FLAG, the one option that only
 * this one has. Runs it; returns the exit status. */
int cli_migrate(const CliMigrate *verb, MigrateOptions *options,
                const GOptionEntry *flag, int argc, char **argv);
