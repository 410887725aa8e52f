/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Under -no-shutdown QEMU says SHUTDOWN and stays: the guest may be reset and go
 * on, and needs its memory then. So nobody lets it go: the move ends as any
 * other, and the guest lives again.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static const char *const no_shutdown[] = {"-no-shutdown", NULL};

static void
start_again(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, "system_reset", NULL, &error);
    g_assert_no_error(error);
    vm_qemu_command(vm, "cont", NULL, &error);
    g_assert_no_error(error);
}

static void
test_stays(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start_with(&p, no_shutdown,
                               "throttle all to-destination 200000")) {
        return;
    }
    vm_passage_press(p.pair->destination, 'p');
    vm_expect_says(p.receive, "QEMU stays for now");
    vm_expect_state(p.pair->destination, "shutdown");
    g_assert_false(vm_child_has_ended(vm_tool_child(p.send), NULL));
    start_again(p.pair->destination);
    vm_passage_order(p.proxy, "heal");
    vm_expect_end(p.receive, 60000, 0, "");
    vm_expect_end(p.send, 60000, 0, "");
    g_autofree char *said = vm_tool_stdout(p.receive);
    g_assert_nonnull(strstr(said, ": completed"));
    vm_expect_runs(p.pair->destination);
}

/* It shuts down again, or crashes, after it went on: the first word does not
 * count any more. */
static void
test_crashes_then(void)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start_with(&p, no_shutdown,
                               "throttle all to-destination 200000")) {
        return;
    }
    vm_passage_press(p.pair->destination, 'p');
    vm_expect_says(p.receive, "QEMU stays for now");
    start_again(p.pair->destination);
    vm_expect_says(p.receive, "QEMU: RESUME");
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGKILL);
    vm_expect_end(p.receive, 60000, 3, "ended without saying why");
    vm_expect_end(p.send, 60000, 3, "ended without saying why");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-guest-that-stays/goes-on", test_stays);
    g_test_add_func("/a-guest-that-stays/crashes-then", test_crashes_then);
    return g_test_run();
}
