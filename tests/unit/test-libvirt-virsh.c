/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A command line out of the habit of 'virsh migrate': what is done anyway is
 * accepted, the rest is refused with what to do instead, and none is left to
 * "Unknown option".
 */
#include "libvirt/libvirt-virsh.h"

#include <stdbool.h>
#include <string.h>

/* What 'virsh migrate' of libvirt 9.0 has and 'postlude migrate' has not. */
static const char *const refused[] = {
    "--auto-converge", "--auto-converge-increment=5",
    "--auto-converge-initial=5", "--comp-methods=xbzrle",
    "--comp-mt-dthreads=1", "--comp-mt-level=1", "--comp-mt-threads=1",
    "--comp-xbzrle-cache=1", "--compressed", "--direct", "--offline",
    "--parallel", "--parallel-connections=4", "--postcopy",
    "--postcopy-after-precopy", "--postcopy-bandwidth=5", "--postcopy-resume",
    "--rdma-pin-all", "--suspend", "--timeout-postcopy", "--timeout-suspend",
    "--tunnelled", "--zerocopy",
};

static gboolean
parse(const char *option, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(true, true, sizeof(GOptionEntry));
    libvirt_virsh_add(entries);
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(
        context, (const GOptionEntry *)(const void *)entries->data, NULL);
    char *words[] = {(char *)"migrate", (char *)option, (char *)"web1", NULL};
    char **argv = words;
    int argc = 3;
    gboolean ok = g_option_context_parse(context, &argc, &argv, error);
    g_assert_true(!ok || (argc == 2 && g_str_equal(argv[1], "web1")));
    return ok;
}

static void
test_refused(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(data, "=", 2);
    g_assert_false(parse(data, &error));
    g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED);
    g_assert_true(g_str_has_prefix(error->message, parts[0]));
    g_assert_nonnull(strstr(error->message, " of virsh: "));
    g_assert_null(strstr(error->message, "(null)"));
}

static void
test_accepted(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(parse("--live", &error));
    g_assert_no_error(error);
    g_assert_null(libvirt_virsh_refusal("--live"));
    g_assert_null(libvirt_virsh_refusal("--persistent"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/virsh/%s", refused[i] + 2);
        g_test_add_data_func(path, refused[i], test_refused);
    }
    g_test_add_func("/virsh/live", test_accepted);
    return g_test_run();
}
