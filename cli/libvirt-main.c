/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude-libvirt: the verbs that talk to libvirt's daemon. Run by postlude,
 * not by people; why it is a program of its own is said in cli-libvirt.h.
 */
#include <locale.h>
#include <string.h>

#include "base/log.h"
#include "base/signals.h"
#include "cli/cli.h"

int
main(int argc, char **argv)
{
    setlocale(LC_ALL, "C.UTF-8");
    if (!signals_prepare()) {
        return 1;
    }
    log_init(g_getenv("POSTLUDE_DEBUG") != NULL);
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "migrate") == 0) {
        return cmd_migrate(argc - 1, argv + 1);
    }
    if (strcmp(verb, "check") == 0) {
        return cmd_check_domain(argc - 1, argv + 1);
    }
    return cli_fail("libvirt", "this is a part of postlude: use 'postlude "
                               "migrate' or 'postlude check --domain'", 2);
}
