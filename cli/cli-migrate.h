/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What send and receive share: their options, running the story, showing it,
 * reporting it.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* One of the two verbs, as far as it differs from the other. */
typedef struct {
    const char *verb;
    MigrateRole role;
    const char *usage, *summary;
    const char *address_option, *address_help;
    const char *streams_help, *peer_help, *give_up_help;
    const char *tls_name_option, *tls_name_help;
} CliMigrate;

/* Parses ARGV: what both verbs take, and OWN, the options that only this one
 * has (then {0}). BEFORE (may be NULL) is called when
 * they are understood, before any thread is started; what it returns, unless it
 * is negative, is the exit status, and nothing is run. Else runs it and returns
 * the exit status. */
int cli_migrate(const CliMigrate *verb, MigrateOptions *options,
                const GOptionEntry *own, int (*before)(MigrateOptions *),
                int argc, char **argv);
