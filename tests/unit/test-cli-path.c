/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a relative path on the command line becomes.
 */
#include "cli/cli-path.h"

#include <glib/gstdio.h>
#include <stdlib.h>

static void
assert_becomes(const char *from, const char *to)
{
    g_autofree char *path = g_strdup(from);
    cli_path_make_absolute(&path);
    g_assert_cmpstr(path, ==, to);
}

static void
assert_address(const char *from, const char *to)
{
    g_autofree char *address = g_strdup(from);
    cli_path_make_address_absolute(&address);
    g_assert_cmpstr(address, ==, to);
}

static void
test_paths(void)
{
    assert_becomes("source.qmp", "/usr/bin/source.qmp");
    assert_becomes("./source.qmp", "/usr/bin/source.qmp");
    assert_becomes(".//./a b", "/usr/bin/a b");
    assert_becomes("../x/source.qmp", "/usr/x/source.qmp");
    assert_becomes("../../../x", "/x");
    /* A link there would mean another place. */
    assert_becomes("x/../y", "/usr/bin/x/../y");
    assert_becomes("..x", "/usr/bin/..x");
    assert_becomes("/as/../it/is", "/as/../it/is");
    assert_becomes("", "");
    assert_becomes(NULL, NULL);
}

static void
test_addresses(void)
{
    assert_address("unix:link/socket", "unix:/usr/bin/link/socket");
    assert_address("unix:/run/socket", "unix:/run/socket");
    assert_address("unix:", "unix:");
    assert_address("127.0.0.1:7000", "127.0.0.1:7000");
    assert_address("[::1]:7000", "[::1]:7000");
    assert_address(NULL, NULL);
}

static void
test_options(void)
{
    g_autofree char *file = g_strdup("x"), *word = g_strdup("x");
    char *none = NULL;
    const GOptionEntry entries[] = {
        {"file", 0, 0, G_OPTION_ARG_FILENAME, &file, NULL, NULL},
        {"none", 0, 0, G_OPTION_ARG_FILENAME, &none, NULL, NULL},
        {"word", 0, 0, G_OPTION_ARG_STRING, &word, NULL, NULL},
        {0}};
    cli_path_make_all_absolute(entries);
    g_assert_cmpstr(file, ==, "/usr/bin/x");
    g_assert_cmpstr(word, ==, "x");
    g_assert_null(none);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_no_errno(g_chdir("/usr/bin"));
    g_test_add_func("/cli/path/paths", test_paths);
    g_test_add_func("/cli/path/addresses", test_addresses);
    g_test_add_func("/cli/path/options", test_options);
    return g_test_run();
}
