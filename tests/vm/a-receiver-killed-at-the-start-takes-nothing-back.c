/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The receiver is killed after it has said "cont" and before it could record
 * that the guest runs here. Who takes over must not believe the record that is
 * left: the source is out of reach, a signal says stop, and to take the switch
 * over back would empty the memory of a running guest. Once the source is back
 * the guest gets the rest.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

/* To meet the moment itself is luck; the record of that moment is the one that
 * is left with one word changed. */
static void
forget_commit(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = vm_expect_journal(vm, "receive");
    g_autofree char *text = NULL;
    g_assert_nonnull(path);
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "\nstarting=true\n"));
    g_auto(GStrv) parts = g_strsplit(text, "\ncommitted=true\n", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    g_autofree char *before = g_strjoinv("\ncommitted=false\n", parts);
    g_file_set_contents_full(path, before, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                             0600, &error);
    g_assert_no_error(error);
}

static VmTool *
resume(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--resume",       "--qmp", vm_qemu_tool_socket(vm),
                          "--peer-timeout", "1",     NULL};
    VmTool *tool = vm_tool_start("receive", args, true, &error);
    g_assert_no_error(error);
    return tool;
}

static void
test_killed(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    vm_passage_order(p.proxy, "refuse 600000");
    vm_passage_order(p.proxy, "cut rst all");
    vm_passage_kill(p.receive);
    forget_commit(p.pair->destination);

    g_autoptr(VmTool) second = resume(p.pair->destination);
    vm_expect_says(second, "dialling the source");
    vm_child_kill(vm_tool_child(second), SIGTERM);
    vm_expect_says(second, "not stopping");
    vm_passage_order(p.proxy, "heal");
    vm_expect_end(second, 60000, 0, "");
    vm_expect_end(p.send, 60000, 0, "");
    vm_expect_arrived(p.pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/killed-at-the-start/taken-over", test_killed);
    return g_test_run();
}
