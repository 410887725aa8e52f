/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With --quiet a move that goes well says nothing at all, and one that does not
 * still says why; --version and --verbose belong to every verb.
 */
#include <string.h>

#include "tests/support/vm-expect.h"

static const char *const verbs[] = {"send", "receive", "collapse", "check",
                                    "status"};

static void
test_version(void)
{
    static const char *const ways[] = {"--version", "-V"};
    for (unsigned i = 0; i < G_N_ELEMENTS(verbs) * 2; i++) {
        g_autoptr(GError) error = NULL;
        const char *args[] = {ways[i % 2], NULL};
        g_autoptr(VmTool) tool =
            vm_tool_start(verbs[i / 2], args, false, &error);
        g_assert_no_error(error);
        vm_expect_end(tool, 20000, 0, "");
        g_autofree char *said = vm_tool_stdout(tool);
        g_assert_true(g_str_has_prefix(said, "postlude 0."));
    }
}

static void
test_both(void)
{
    const char *args[] = {"--quiet", "--verbose", NULL};
    for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
        vm_expect_refusal(verbs[i], args, 2,
                          "--quiet and --verbose exclude each other");
    }
}

static void
expect_silence(VmTool *tool)
{
    g_autofree char *out = vm_tool_stdout(tool);
    g_autofree char *err = vm_tool_stderr(tool);
    g_assert_cmpstr(out, ==, "");
    g_assert_cmpstr(err, ==, "");
}

static void
test_quiet(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *quiet[] = {"--quiet", NULL};
    const char *alone[] = {"--quiet", "--peer-timeout", "1", NULL};
    g_autoptr(VmTool) lonely = vm_expect_receive(pair, alone);
    vm_expect_end(lonely, 60000, 1, "no source");
    g_autoptr(VmTool) send = vm_expect_send(pair, quiet);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, quiet);
    vm_expect_arrives(pair, send, receive);
    expect_silence(send);
    expect_silence(receive);
}

static void
test_verbose(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autofree char *debug = g_strdup(g_getenv("POSTLUDE_DEBUG"));
    g_unsetenv("POSTLUDE_DEBUG");
    const char *verbose[] = {"--verbose", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, verbose);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_arrives(pair, send, receive);
    g_autofree char *told = vm_tool_stderr(send);
    g_autofree char *usual = vm_tool_stderr(receive);
    g_assert_nonnull(strstr(told, "stage postcopy"));
    g_assert_null(strstr(usual, "stage postcopy"));
    if (debug) {
        g_setenv("POSTLUDE_DEBUG", debug, true);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quiet/version", test_version);
    g_test_add_func("/quiet/both", test_both);
    g_test_add_func("/quiet/quiet", test_quiet);
    g_test_add_func("/quiet/verbose", test_verbose);
    return g_test_run();
}
