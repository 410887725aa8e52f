/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Linux guest with ordinary RAM: QEMU's own postcopy leaves it in small
 * pages, postlude collapse --after-migration makes them huge, while a process
 * in it writes files and compares them.
 */
#include "base/range.h"
#include "tests/support/khugepaged.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-native.h"
#include "tests/support/vm-sweep.h"

#define PAIRS 16
/* The files alone; the kernel and its caches come on top. */
#define FILLED_BYTES (UINT64_C(2) * PAIRS << 20)
#define BOOT_MS 180000
#define TICK_MS 120000

static void
wait_serial(VmQemu *vm, const char *text, int timeout_ms)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_wait_serial(vm, text, timeout_ms, &error);
    g_assert_no_error(error);
}

static void
expect_report(VmTool *tool, uint64_t khugepaged)
{
    g_autoptr(JsonNode) report = vm_sweep_report(tool);
    double populated = vm_expect_number(report, "$.after.populated_bytes");
    g_assert_cmpfloat(populated, >=, (double)FILLED_BYTES);
    vm_sweep_expect_small_before(report, khugepaged);
    g_assert_cmpfloat(vm_expect_number(report, "$.after.huge_bytes"), >=,
                      0.99 * populated);
    g_assert_cmpfloat(vm_expect_number(report, "$.extents.collapsed"), >=,
                      (double)FILLED_BYTES / EXTENT_BYTES / 2);
}

static void
run(gconstpointer data)
{
    VmQemuOptions options = {.version =
                                 (VmQemuVersion)GPOINTER_TO_INT(data)};
    if (vm_qemu_skip(vm_linux_why_not(options.version))) {
        return;
    }
    vm_linux_set(&options, PAIRS);
    g_autoptr(GError) error = NULL;
    VmPair *started = vm_pair_start_idle(&options, &options, &error);
    g_assert_no_error(error);
    g_autoptr(VmPair) pair = started;
    wait_serial(pair->source, "linux guest ready", BOOT_MS);
    wait_serial(pair->source, "tick 3 ok", TICK_MS);

    static const char *const after[] = {"--after-migration", "--json", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(pair->destination, after);
    uint64_t khugepaged = khugepaged_made_bytes();
    vm_native_move(pair, VM_NATIVE_MIB_PER_S(64));
    vm_expect_end(tool, TICK_MS, 0, "");
    expect_report(tool, khugepaged);
    /* Each tick compares one pair of files: all of them, and more. */
    vm_expect_ticks(pair->destination, PAIRS + 2);
    vm_sweep_expect_huge(pair->destination, FILLED_BYTES);
    vm_expect_state(pair->destination, "running");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/collapse-linux/qemu-of-this-host",
                         GINT_TO_POINTER(VM_QEMU_HOST), run);
    g_test_add_data_func("/collapse-linux/qemu-10",
                         GINT_TO_POINTER(VM_QEMU_10), run);
    return g_test_run();
}
