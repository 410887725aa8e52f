/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude check --domain: the same as check for a domain of libvirt, with the
 * XML that it lacks. Part of postlude-libvirt.
 */
#include "cli/cli-findings.h"
#include "cli/cli.h"
#include "libvirt/libvirt-advice.h"
#include "migrate/check/migrate-check.h"

int
cmd_check_domain(int argc, char **argv)
{
    g_autofree char *domain = NULL, *lines = NULL;
    gboolean json = false;
    const GOptionEntry entries[] = {
        {"domain", 0, 0, G_OPTION_ARG_STRING, &domain,
         "Look at this domain of libvirt", "NAME"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "As a JSON object", NULL},
        {0}};
    int status;
    if (!cli_parse(argc, argv, "--domain NAME",
                   "Says, line by line, what this host and this domain lack, "
                   "with the remedy, and\nprints the XML to paste. Changes "
                   "nothing.", entries, &status)) {
        return status;
    }
    if (!domain) {
        return cli_fail("check", "--domain NAME is missing", 2);
    }
    g_auto(MigrateChecked) checked = {0};
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    g_autoptr(GError) why = NULL;
    migrate_check_host(true, findings);
    if (!libvirt_advice_look(domain, &checked, findings, &lines, &why)) {
        return cli_fail("check", why->message, 1);
    }
    return cli_findings_print(&checked, findings, lines, json);
}
