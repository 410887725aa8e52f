/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 'postlude check' says no, and why, where a helper was killed in the middle of a
 * migration, and when it is given the process of another QEMU.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static void
expect_no(VmQemu *vm, VmQemu *process, const char *finding)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *pid = g_strdup_printf("%d", vm_qemu_pid(process));
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm), "--pid", pid,
                          NULL};
    g_autoptr(VmTool) tool = vm_tool_start("check", args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 1, "");
    g_autofree char *said = vm_tool_stdout(tool);
    if (!strstr(said, finding) || !strstr(said, "\nverdict this ")) {
        g_error("check does not say \"%s\": %s", finding, said);
    }
}

static void
test_hands(void)
{
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    vm_passage_kill(p.send);
    expect_no(p.pair->source, p.pair->source,
              "MISSING a 'postlude send' on this QEMU was killed in the middle "
              "of a migration\n        remedy: run 'postlude send --resume'");
    expect_no(p.pair->source, p.pair->destination,
              "which --pid names, is not the QEMU of this monitor");
    vm_passage_order(p.proxy, "heal");
    g_autoptr(VmTool) heir =
        vm_expect_take_over(p.send, "send", p.pair->source, NULL);
    vm_expect_end(heir, 60000, 0, "");
    vm_expect_end(p.receive, 60000, 0, "");
    vm_expect_arrived(p.pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check-names/hands", test_hands);
    return g_test_run();
}
