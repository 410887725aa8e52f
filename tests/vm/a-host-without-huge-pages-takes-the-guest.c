/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination has no huge page free when folios are to be laid (a preloaded
 * library says so, refuse-collapse.c): the guest arrives in small pages, whole,
 * with a word. Where some have come free meanwhile, the last sweep makes it
 * huge; where none have, that is said too, and the migration is none the less a
 * success.
 */
#include <string.h>

#include "base/range.h"
#include "tests/support/vm-expect.h"

/* The variables are for the receiver alone: both QEMUs run already. REFUSE is
 * how often a sweep is refused as well. */
static VmTool *
start_refused(VmPair *pair, const char *refuse)
{
    g_setenv("LD_PRELOAD", REFUSE_COLLAPSE, TRUE);
    g_setenv("POSTLUDE_TEST_REFUSE", refuse, TRUE);
    g_setenv("POSTLUDE_TEST_REFUSE_LAY", "1", TRUE);
    /* Of a build with sanitizers: it has to be the first otherwise. */
    g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", TRUE);
    VmTool *tool = vm_expect_receive(pair, NULL);
    g_unsetenv("LD_PRELOAD");
    g_unsetenv("POSTLUDE_TEST_REFUSE");
    g_unsetenv("POSTLUDE_TEST_REFUSE_LAY");
    return tool;
}

static void
move(const char *refuse, const char *words, bool huge)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = start_refused(pair, refuse);
    vm_expect_arrives(pair, send, receive);
    g_autofree char *said = vm_tool_stderr(receive);
    g_test_message("%s", said);
    g_assert_nonnull(strstr(said, "they arrive in small pages and are swept"));
    g_assert_nonnull(strstr(said, words));
    g_autoptr(JsonNode) report = vm_tool_report(receive, &error);
    g_assert_no_error(error);
    double small = vm_expect_number(report, "$.huge.small_extents");
    g_assert_cmpfloat(small, >, 5);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.laid_extents"), ==, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.before_bytes"), ==, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.after_bytes"), ==,
                      huge ? small * EXTENT_BYTES : 0);
}

static void
test_later(void)
{
    move("0", "", true);
}

static void
test_never(void)
{
    move("-1", "but not all of it in huge pages", false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/without-huge-pages/later", test_later);
    g_test_add_func("/without-huge-pages/never", test_never);
    return g_test_run();
}
