/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude check: what this host and this guest lack, line by line, with the
 * remedy, and what that comes to. Exit status 1 unless the guest can be moved.
 */
#include "base/log.h"
#include "cli/cli-findings.h"
#include "cli/cli-libvirt.h"
#include "cli/cli.h"
#include "migrate/check/migrate-check.h"

static int
run_with_libvirt(char *domain, bool json)
{
    char *arguments[6] = {(char *)"check", (char *)"--domain", domain};
    int n = 3;
    if (json) {
        arguments[n++] = (char *)"--json";
    }
    if (log_is_quiet()) {
        arguments[n++] = (char *)"--quiet";
    }
    return cli_libvirt_run(n, arguments);
}

int
cmd_check(int argc, char **argv)
{
    g_autofree char *qmp_path = NULL, *domain = NULL;
    gboolean json = false;
    int pid = 0;
    const GOptionEntry entries[] = {
        {"qmp", 0, 0, G_OPTION_ARG_FILENAME, &qmp_path,
         "Look at the guest behind this monitor too", "PATH"},
        {"pid", 0, 0, G_OPTION_ARG_INT, &pid,
         "Look at this QEMU process too", "N"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &domain,
         "Look at this guest of libvirt, and print the XML it lacks",
         "NAME"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "As a JSON object", NULL},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "[--qmp PATH] [--pid N] | --domain NAME",
                   "Says, line by line, what this host and this guest lack, "
                   "with the remedy, and at the end\nwhether the guest can be "
                   "moved (exit status 0) or not (1). Changes nothing.",
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
    if (domain && cli_libvirt_is_there()) {
        return run_with_libvirt(domain, json);
    }
    g_auto(MigrateChecked) checked = {0};
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_host(true, findings);
    if (domain) {
        migrate_check_domain(domain, &checked, findings);
    } else {
        migrate_check_guest(qmp_path, pid, &checked, findings);
    }
    return cli_findings_print(&checked, findings, NULL, json);
}
