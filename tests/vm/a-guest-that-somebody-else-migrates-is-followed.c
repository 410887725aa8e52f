/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --follow: the test drives QEMU's migration as libvirt does, and ends the
 * source's QEMU as soon as the guest runs at the destination. Its memory comes
 * nevertheless, to the last word, and becomes huge; also back again, where
 * QEMU still calls the migration that brought it "completed".
 */
#include <string.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"

static const char *const follow[] = {"--follow", NULL};

static void
move(VmPair *pair)
{
    g_autoptr(VmDriver) driver = vm_driver_accept(pair);
    g_autoptr(VmTool) send = vm_expect_send(pair, follow);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, follow);
    vm_expect_says(receive, "armed: QEMU's migration to this QEMU may begin");
    vm_expect_says(send, "the destination is armed");
    g_assert_true(vm_expect_capability(pair->source, "x-ignore-shared"));
    g_assert_true(vm_expect_capability(pair->destination, "x-ignore-shared"));
    vm_driver_migrate(driver);
    vm_expect_end(receive, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    g_autoptr(GError) error = NULL;
    vm_pair_wait_scans(pair, 2, 300000, &error);
    g_assert_no_error(error);
    vm_expect_runs(pair->destination);

    uint64_t huge, rss;
    vm_look_huge(pair->destination, &huge, &rss, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(huge, ==, rss);
    double downtime_ms = 0;
    g_autoptr(JsonNode) report = vm_tool_report(receive, &error);
    vm_tool_number(report, "$.downtime_ms", &downtime_ms, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(downtime_ms, >, 0);
}

static void
there(gconstpointer data)
{
    VmQemuVersion version = GPOINTER_TO_INT(data);
    if (vm_qemu_skip(vm_qemu_why_not(version, false))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.version = version;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    move(pair);
}

static void
there_and_back(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        move(pair);
        vm_pair_turn(pair, &error);
        g_assert_no_error(error);
    }
}

/* "virsh migrate --suspend", or a guest that was paused: nobody says "cont". */
static void
left_paused(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    vm_qemu_command(pair->source, "stop", NULL, &error);
    g_assert_no_error(error);
    g_autoptr(VmDriver) driver = vm_driver_accept(pair);
    g_autoptr(VmTool) send = vm_expect_send(pair, follow);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, follow);
    vm_expect_says(receive, "armed: QEMU's migration to this QEMU may begin");
    vm_driver_start(driver);
    g_assert_cmpstr(vm_driver_follow(driver), ==, "completed");
    vm_expect_end(receive, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    vm_driver_finish(driver);
    vm_pair_wait_scans(pair, 2, 300000, &error);
    g_assert_no_error(error);
    vm_expect_runs(pair->destination);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/follow/qemu-of-this-host",
                         GINT_TO_POINTER(VM_QEMU_HOST), there);
    g_test_add_data_func("/follow/qemu-10", GINT_TO_POINTER(VM_QEMU_10),
                         there);
    g_test_add_func("/follow/there-and-back", there_and_back);
    g_test_add_func("/follow/left-paused", left_paused);
    return g_test_run();
}
