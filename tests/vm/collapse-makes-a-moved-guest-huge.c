/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest with ordinary RAM that QEMU's own postcopy has moved lies in small
 * pages. postlude collapse --after-migration, started before the migration
 * ends, waits for that and makes all of them huge, while the guest runs and
 * checks each word of its memory.
 */
#include "base/range.h"
#include "tests/support/khugepaged.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"
#include "tests/support/vm-sweep.h"

#define FILLED_BYTES (UINT64_C(96) << 20)
#define SCAN_MS 300000
#define COLLAPSE_MS 60000

static void
check_report(VmTool *tool, uint64_t khugepaged)
{
    g_autoptr(JsonNode) report = vm_sweep_report(tool);
    double populated = vm_expect_number(report, "$.after.populated_bytes");
    g_assert_cmpfloat(vm_expect_number(report, "$.waited_ms"), >=, 500);
    g_assert_cmpfloat(populated, >=, (double)FILLED_BYTES);
    vm_sweep_expect_small_before(report, khugepaged);
    g_assert_cmpfloat(vm_expect_number(report, "$.after.huge_bytes"), >=,
                      populated * 0.99);
    uint64_t made = khugepaged_made_bytes() - khugepaged;
    g_assert_cmpfloat(vm_expect_number(report, "$.extents.collapsed") +
                          (double)(made / EXTENT_BYTES), >=, 40);
}

static void
run(VmQemuVersion version)
{
    if (vm_qemu_skip(vm_qemu_why_not(version, false))) {
        return;
    }
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .version = version,
        .append = "mib=96 scan=1 stride=1024 report=50 slow=1000",
    };
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    static const char *const after[] = {"--after-migration", "--json", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(pair->destination, after);
    /* So slowly that the sweep has to wait for it. What a precopy phase brings
     * is huge from the start (qemu-forbids-huge-pages-during-postcopy.c), so
     * there is next to none of it. */
    uint64_t khugepaged = khugepaged_made_bytes();
    vm_native_move(pair, VM_NATIVE_MIB_PER_S(16));
    vm_expect_end(tool, COLLAPSE_MS, 0, "");
    check_report(tool, khugepaged);

    vm_pair_wait_scans(pair, 2, SCAN_MS, &error);
    g_assert_no_error(error);
    vm_sweep_expect_huge(pair->destination, FILLED_BYTES);
    vm_expect_state(pair->destination, "running");
}

static void
test_qemu_of_this_host(void)
{
    run(VM_QEMU_HOST);
}

static void
test_qemu_10(void)
{
    run(VM_QEMU_10);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-moved/qemu-of-this-host",
                    test_qemu_of_this_host);
    g_test_add_func("/collapse-moved/qemu-10", test_qemu_10);
    return g_test_run();
}
