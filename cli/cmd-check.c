/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude check: what this host and this guest lack, line by line, with the
 * remedy. Exit status 1 if anything essential is missing.
 */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "migrate/migrate-check.h"

static bool
print_findings(const GPtrArray *findings)
{
    static const char *const marks[] = {"ok      ", "warning ", "MISSING "};
    bool missing = false;
    for (guint i = 0; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        printf("%s%s\n", marks[f->level], f->what);
        if (f->remedy) {
            printf("        remedy: %s\n", f->remedy);
        }
        missing = missing || f->level == MIGRATE_CHECK_MISSING;
    }
    return !missing;
}

int
cmd_check(int argc, char **argv)
{
    g_autofree char *qmp_path = NULL, *domain = NULL;
    int pid = 0;
    const GOptionEntry entries[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &qmp_path,
         "Look at the guest behind this monitor too", "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &pid,
         "Look at this QEMU process too", "N"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &domain,
         "Look at this guest of libvirt on this host too", "NAME"},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "[--qmp PATH] [--pid N] [--domain NAME]",
                   "Says, line by line, what this host and this guest lack, "
                   "with the remedy. Changes nothing.",
                   entries, &status)) {
        return status;
    }
    if (pid < 0) {
        return cli_fail("check", "--pid takes a process number", 2);
    }
    if (domain && (qmp_path || pid)) {
        return cli_fail("check", "--domain goes with neither --pid nor --qmp",
                        2);
    }
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_host(true, findings);
    if (domain) {
        migrate_check_domain(domain, findings);
    } else {
        migrate_check_guest(qmp_path, pid, findings);
    }
    return print_findings(findings) ? 0 : 1;
}
