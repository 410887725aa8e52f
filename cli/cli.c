/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What all verbs share: option parsing and the last word.
 */
#include "cli/cli.h"

#include <stdio.h>

#include "base/log.h"
#include "base/printable.h"
#include "cli/cli-path.h"

#define VERSION_LINE "postlude " POSTLUDE_VERSION "\n"

/* What every verb takes. */
typedef struct {
    gboolean help, version, quiet, verbose;
} Common;

static void
add_common(GOptionContext *context, Common *common)
{
    const GOptionEntry entries[] = {
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &common->quiet,
         "Only warnings and errors", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &common->verbose,
         "Tell each step", NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &common->version,
         "Show the version", NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &common->help, "Show this help",
         NULL},
        {0}};
    g_option_context_add_main_entries(context, entries, NULL);
}

static void
take_common(const Common *common)
{
    if (common->verbose) {
        /* In the environment, for the programs that this one starts. */
        g_setenv("POSTLUDE_DEBUG", "1", true);
        log_set_verbose();
    }
    if (common->quiet) {
        log_set_quiet();
    }
}

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
    Common common = {0};
    add_common(context, &common);
    g_autoptr(GError) why = NULL;
    const char *verb = argv[0];
    bool ok = g_option_context_parse(context, &argc, &argv, &why);
    if (common.help || common.version) {
        g_autofree char *text = g_option_context_get_help(context, true, NULL);
        fputs(common.help ? text : VERSION_LINE, stdout);
        *status = 0;
        return false;
    }
    if (ok && common.quiet && common.verbose) {
        g_set_error(&why, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "--quiet and --verbose exclude each other");
        ok = false;
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
        return false;
    }
    cli_path_make_all_absolute(entries);
    take_common(&common);
    return true;
}

int
cli_fail(const char *verb, const char *message, int status)
{
    g_autofree char *text = printable_line(message);
    fprintf(stderr, "postlude %s: %s\n", verb, text);
    log_copy_to_syslog(text);
    return status;
}

void
cli_print(const char *text)
{
    g_autofree char *printable = printable_text(text);
    fputs(printable, stdout);
}
