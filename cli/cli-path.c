/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Absolute paths: see cli-path.h.
 */
#include "cli/cli-path.h"

#include <string.h>

#define UNIX "unix:"

/* Leading "./" and "../" are taken off, for messages; that is safe because the
 * kernel's name of the directory that we stand in has no links in it. */
static char *
path_absolute(const char *path)
{
    g_autofree char *from = g_get_current_dir();
    while (g_str_has_prefix(path, "./") || g_str_has_prefix(path, "../")) {
        if (path[1] == '.') {
            char *parent = g_path_get_dirname(from);
            g_free(from);
            from = parent;
        }
        path = strchr(path, '/');
        path += strspn(path, "/");
    }
    return g_str_has_suffix(from, "/") ? g_strconcat(from, path, NULL)
                                       : g_strconcat(from, "/", path, NULL);
}

void
cli_path_make_absolute(char **path)
{
    if (*path && **path && **path != '/') {
        char *whole = path_absolute(*path);
        g_free(*path);
        *path = whole;
    }
}

void
cli_path_make_address_absolute(char **address)
{
    if (*address && g_str_has_prefix(*address, UNIX)) {
        char *path = g_strdup(*address + strlen(UNIX));
        cli_path_make_absolute(&path);
        g_free(*address);
        *address = g_strconcat(UNIX, path, NULL);
        g_free(path);
    }
}

void
cli_path_make_all_absolute(const GOptionEntry *entries)
{
    for (; entries->long_name; entries++) {
        if (entries->arg == G_OPTION_ARG_FILENAME) {
            cli_path_make_absolute(entries->arg_data);
        }
    }
}
