/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What send and receive share: run the story, show it, report it.
 */
#pragma once

#include "migrate/migrate-session.h"

/* Returns the exit status. */
int cli_migrate(const char *verb, const MigrateOptions *options);
