/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of the guest is here, the userfaultfd is closed, and the receiver is
 * killed while it makes the small pages huge. Who takes over has no fault
 * thread and needs none: it does the rest of the work. With somebody else
 * driving QEMU, and alone.
 */
#include <signal.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"

static const char *const follow[] = {"--follow", NULL};

/* Without a free huge page: all is small, and the sweep waits for one. */
static VmTool *
receive_small(VmPair *pair, const char *const *extra)
{
    g_setenv("LD_PRELOAD", REFUSE_COLLAPSE, true);
    g_setenv("POSTLUDE_TEST_REFUSE_LAY", "1", true);
    g_setenv("POSTLUDE_TEST_REFUSE", "-1", true);
    VmTool *tool = vm_expect_receive(pair, extra);
    g_unsetenv("LD_PRELOAD");
    g_unsetenv("POSTLUDE_TEST_REFUSE_LAY");
    g_unsetenv("POSTLUDE_TEST_REFUSE");
    return tool;
}

static void
test_killed(gconstpointer data)
{
    const char *const *extra = data ? follow : NULL;
    const char *const soon[] = {"--peer-timeout", "2", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmDriver) driver = extra ? vm_driver_accept(pair) : NULL;
    g_autoptr(VmTool) send = vm_expect_send(pair, extra);
    g_autoptr(VmTool) receive = receive_small(pair, extra);
    if (extra) {
        vm_expect_says(send, "the destination is armed");
        vm_driver_migrate(driver);
    }
    vm_expect_says(receive, "sweeping");
    g_autoptr(VmTool) heir = vm_expect_take_over(
        receive, "receive", pair->destination, soon);
    vm_expect_end(heir, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    g_autoptr(JsonNode) report = vm_tool_report(heir, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.small_extents"), >, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.after_bytes"), >=,
                      vm_expect_number(report, "$.huge.eligible_bytes"));
    vm_expect_runs(pair->destination);
    vm_pair_wait_scans(pair, 2, 300000, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    static char yes[] = "yes";
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/last-sweep/followed", yes, test_killed);
    g_test_add_data_func("/last-sweep/own", NULL, test_killed);
    return g_test_run();
}
