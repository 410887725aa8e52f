/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude attend: what 'receive' starts to stay outside of its confinement;
 * not for people (see migrate/confine/migrate-attendant.h).
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "migrate/confine/migrate-attendant.h"

int
cmd_attend(int argc, char **argv)
{
    if (argc != 3) {
        return cli_fail("attend", "this verb is for 'postlude receive' itself",
                        2);
    }
    return migrate_attendant_run((pid_t)atoi(argv[1]), atoi(argv[2]));
}
