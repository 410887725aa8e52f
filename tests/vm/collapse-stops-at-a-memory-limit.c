/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest whose memory cgroup is full: a huge page has to be charged before the
 * small ones it replaces are given back. The sweep tries often enough to be
 * sure, ends with the cgroup's name and the remedy, and the guest goes on; with
 * a little room the next one leaves alone what would make the guest larger, and
 * with more it makes all of it huge.
 */
#include <string.h>

#include "base/range.h"
#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/support/khugepaged.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"
#include "tests/support/vm-sweep.h"

#define FILLED_BYTES (UINT64_C(96) << 20)
#define APPEND "mib=96 scan=1 stride=1024 report=50 slow=1000"
#define FILL_MS 120000
#define MOVE_MS 60000
/* QEMU itself needs a page now and then. */
#define LEEWAY_BYTES (EXTENT_BYTES / 2)
/* Enough for copies, not for what makes the guest larger; and for both. */
#define COPIES_BYTES (UINT64_C(32) << 20)
#define ROOM_BYTES (UINT64_C(128) << 20)
/* What is given up after (collapse-job.c); and what the page cache of the
 * cgroup can yield to the first few. */
#define REFUSALS 4
#define LUCKY 8

static bool
init_cgroup(KernelCgroup *cgroup)
{
    const char *reason = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false)) ||
        (!kernel_cgroup_init(cgroup, &reason) &&
         vm_qemu_skip(g_strdup(reason)))) {
        return false;
    }
    g_autoptr(GError) error = NULL;
    vm_child_remember(cgroup->directory, &error);
    g_assert_no_error(error);
    return true;
}

/* khugepaged, too, holds 2 MiB twice for a moment: what counts is the least. */
static uint64_t
settled_usage(const KernelCgroup *cgroup)
{
    uint64_t least = kernel_cgroup_usage_bytes(cgroup);
    for (unsigned i = 0; i < 30; i++) {
        g_usleep(10000);
        least = MIN(least, kernel_cgroup_usage_bytes(cgroup));
    }
    return least;
}

static void
limit_to(const KernelCgroup *cgroup, uint64_t more_bytes)
{
    kernel_cgroup_reclaim(cgroup);
    kernel_cgroup_limit(cgroup, settled_usage(cgroup) + more_bytes);
}

static void
expect_refusal(VmQemu *vm)
{
    uint64_t huge = vm_sweep_huge_bytes(vm);
    uint64_t khugepaged = khugepaged_made_bytes();
    static const char *const fast[] = {"--fast", NULL};
    static const char *const words[] = {
        "the guest's memory cgroup is at its limit",
        "remedy: raise memory.max of QEMU's cgroup", "postlude-test-",
        "EBUSY ", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(vm, fast);
    vm_sweep_expect(tool, 3, words);
    g_autofree char *said = vm_tool_stdout(tool);
    g_test_message("%s", said);
    g_assert_cmpuint(vm_sweep_huge_bytes(vm), <=,
                     huge + LUCKY * EXTENT_BYTES + khugepaged_made_bytes() -
                         khugepaged);
    vm_expect_beats(vm);
}

/* Each refusal has made the kernel look for something to reclaim from the
 * guest: not more often than it takes. */
static void
expect_few_calls(VmQemu *vm)
{
    static const char *const json[] = {"--fast", "--json", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(vm, json);
    vm_sweep_expect(tool, 3, (const char *const[]){"\"cgroup-limit\"", NULL});
    g_autoptr(JsonNode) report = vm_sweep_report(tool);
    double calls = vm_expect_number(report, "$.calls");
    g_assert_cmpfloat(calls, >=, REFUSALS);
    g_assert_cmpfloat(calls, <=, REFUSALS + LUCKY);
}

/* The guest's first MiB, among others, are filled in part. */
static void
expect_no_growth(VmQemu *vm)
{
    static const char *const json[] = {"--fast", "--json", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(vm, json);
    vm_sweep_expect(tool, 0, (const char *const[]){"\"completed\"", NULL});
    g_autoptr(JsonNode) report = vm_sweep_report(tool);
    g_assert_cmpfloat(vm_expect_number(report, "$.extents.collapsed"), >=, 1);
    g_assert_cmpfloat(vm_expect_number(report, "$.extents['no-room']"), >=, 1);
    g_assert_cmpfloat(vm_expect_number(report, "$.growth_bytes"), ==, 0);
    vm_expect_beats(vm);
}

static void
expect_all(VmQemu *vm)
{
    static const char *const fast[] = {"--fast", NULL};
    static const char *const words[] = {"every extent was tried",
                                        "(100.0%) now", NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(vm, fast);
    vm_sweep_expect(tool, 0, words);
    vm_sweep_expect_huge(vm, FILLED_BYTES);
}

static void
test_shared(void)
{
    static const char *const paused[] = {"-S", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(KernelCgroup) cgroup = {0};
    if (!init_cgroup(&cgroup)) {
        return;
    }
    VmQemuOptions options = {
        .memory = {{.kind = VM_MEMORY_FILE, .mib = 128}},
        .append = APPEND,
        .extra = paused, /* who touches memory first pays for it */
    };
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    kernel_cgroup_enter(&cgroup, vm_qemu_pid(vm));
    vm_qemu_command(vm, "cont", NULL, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "ready ", FILL_MS, &error);
    g_assert_no_error(error);
    vm_expect_beats(vm);
    g_assert_cmpuint(kernel_cgroup_usage_bytes(&cgroup), >=, FILLED_BYTES);
    limit_to(&cgroup, LEEWAY_BYTES);
    expect_refusal(vm);
    expect_few_calls(vm);
    limit_to(&cgroup, COPIES_BYTES);
    expect_no_growth(vm);
    limit_to(&cgroup, ROOM_BYTES);
    expect_all(vm);
    vm_expect_beats(vm);
}

static void
test_ordinary(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_auto(KernelCgroup) cgroup = {0};
    VmQemuOptions options = {.version = (VmQemuVersion)GPOINTER_TO_INT(data),
                             .append = APPEND};
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false)) ||
        !init_cgroup(&cgroup)) {
        return;
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    VmQemu *vm = pair->destination;
    kernel_cgroup_enter(&cgroup, vm_qemu_pid(vm));
    vm_native_move(pair, VM_NATIVE_MIB_PER_S(256));
    vm_native_wait(vm, "completed", MOVE_MS);
    vm_expect_beats(vm);
    g_assert_cmpuint(kernel_cgroup_usage_bytes(&cgroup), >=, FILLED_BYTES);
    limit_to(&cgroup, LEEWAY_BYTES);
    expect_refusal(vm);
    limit_to(&cgroup, ROOM_BYTES);
    expect_all(vm);
    vm_pair_wait_scans(pair, 2, MOVE_MS, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-limit/shared", test_shared);
    g_test_add_data_func("/collapse-limit/after-postcopy/qemu-of-this-host",
                         GINT_TO_POINTER(VM_QEMU_HOST), test_ordinary);
    g_test_add_data_func("/collapse-limit/after-postcopy/qemu-10",
                         GINT_TO_POINTER(VM_QEMU_10), test_ordinary);
    return g_test_run();
}
