/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What all verbs share: option parsing and the last word.
 */
#include "cli/cli.h"

#include <stdio.h>

#include "base/log.h"

bool
cli_parse(int argc, char **argv, const char *usage, const char *summary,
          const GOptionEntry *entries, int *status)
{
    g_autofree char *name = g_strdup_printf("postlude %s", argv[0]);
    g_set_prgname(name);
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_help_enabled(context, false);
    gboolean help = false;
    GOptionEntry help_entry[] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help", NULL},
        {0}};
    g_option_context_add_main_entries(context, help_entry, NULL);
    g_autoptr(GError) why = NULL;
    const char *verb = argv[0];
    bool ok = g_option_context_parse(context, &argc, &argv, &why);
    if (help) {
        g_autofree char *text =
            g_option_context_get_help(context, true, NULL);
        printf("%s", text);
        *status = 0;
        return false;
    }
    if (ok && argc > 1) {
        g_set_error(&why, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "unexpected argument '%s'", argv[1]);
        ok = false;
    }
    if (!ok) {
        g_autofree char *text = g_strdup_printf(
            "%s; see 'postlude %s --help'", why->message, verb);
        *status = cli_fail(verb, text, 2);
    }
    return ok;
}

int
cli_fail(const char *verb, const char *message, int status)
{
    fprintf(stderr, "postlude %s: %s\n", verb, message);
    log_copy_to_syslog(message);
    return status;
}
