/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude status: the helpers that run on this host.
 */
#include <stdio.h>

#include "base/log.h"
#include "cli/cli.h"
#include "migrate/show/migrate-status.h"

static void
print_json(const GPtrArray *all)
{
    printf("[");
    for (guint i = 0; i < all->len; i++) {
        printf("%s%s", i ? "," : "",
               (const char *)g_ptr_array_index(all, i));
    }
    printf("]\n");
}

static void
print_text(const GPtrArray *all)
{
    g_autoptr(GPtrArray) orphans = migrate_status_orphans();
    for (guint i = 0; i < orphans->len; i++) {
        puts(g_ptr_array_index(orphans, i));
    }
    for (guint i = 0; i < all->len; i++) {
        g_autofree char *line =
            migrate_status_describe(g_ptr_array_index(all, i));
        if (line) {
            puts(line);
        }
    }
    g_autoptr(GPtrArray) silent = migrate_status_silent(all);
    for (guint i = 0; i < silent->len; i++) {
        puts(g_ptr_array_index(silent, i));
    }
    if (all->len + orphans->len + silent->len == 0 && !log_is_quiet()) {
        printf("no helper is running on this host\n");
    }
}

int
cmd_status(int argc, char **argv)
{
    gboolean json = false;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "As a JSON array", NULL},
        {0}};
    int status;
    if (!cli_parse(argc, argv, NULL, "Shows the helpers of this user that "
                   "run on this host: where each stands, what has\narrived, "
                   "and whether the source is still needed.",
                   entries, &status)) {
        return status;
    }
    g_autoptr(GPtrArray) all = migrate_status_query_all();
    if (json) {
        print_json(all);
    } else {
        print_text(all);
    }
    return 0;
}
