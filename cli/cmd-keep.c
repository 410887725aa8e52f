/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude keep: what 'send' starts to hold the source's memory; not for
 * people (see migrate/takeover/migrate-keeper.h).
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "migrate/takeover/migrate-keeper.h"

int
cmd_keep(int argc, char **argv)
{
    if (argc != 4) {
        return cli_fail("keep", "this verb is for 'postlude send' itself", 2);
    }
    return migrate_keeper_run(argv[1], (unsigned)atoi(argv[2]),
                              (uid_t)strtoul(argv[3], NULL, 10));
}
