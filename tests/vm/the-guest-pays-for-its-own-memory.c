/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory is charged to who touches it first: the folios that the helper lays
 * are charged to the cgroup of the QEMU they are for, not to the helper's. If
 * its limit leaves no room for huge pages, the guest arrives in small ones,
 * whole, and the operator is told. If it has no room for those either, the
 * guest waits for a higher limit, instead of being killed by the kernel.
 */
#include <string.h>

#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/support/vm-expect.h"

static bool
init_cgroup(KernelCgroup *cgroup)
{
    const char *reason = NULL;
    return !vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false)) &&
           (kernel_cgroup_init(cgroup, &reason) ||
            !vm_qemu_skip(g_strdup(reason)));
}

static void
test_charged_to_qemu(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    if (!init_cgroup(&cgroup)) {
        return;
    }
    VmQemuOptions options = vm_expect_options(160);
    options.append = "mib=128 scan=1 stride=1024 report=50";
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    kernel_cgroup_enter(&cgroup, vm_qemu_pid(pair->destination));
    uint64_t before = kernel_cgroup_usage_bytes(&cgroup);
    vm_expect_moves(pair);
    uint64_t after = kernel_cgroup_usage_bytes(&cgroup);
    g_autoptr(GError) error = NULL;
    uint64_t huge, rss;
    vm_look_huge(pair->destination, &huge, &rss, &error);
    g_assert_no_error(error);
    g_test_message("charged %" G_GUINT64_FORMAT " MiB for %" G_GUINT64_FORMAT
                   " MiB of RAM", (after - before) >> 20, rss >> 20);
    g_assert_cmpuint(huge, ==, rss);
    g_assert_cmpuint(rss, >=, 128 << 20);
    g_assert_cmpuint(after - before, >=, rss - (2 << 20));
    /* A second copy would be seen. */
    g_assert_cmpuint(after - before, <=, rss + (48 << 20));
}

/* One page in 16 holds data: small pages fit where huge ones do not. */
static void
test_no_room_for_huge_pages(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    if (!init_cgroup(&cgroup)) {
        return;
    }
    VmQemuOptions options = vm_expect_options(160);
    options.append = "mib=128 sparse=16 scan=1 stride=64 report=50";
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    kernel_cgroup_enter(&cgroup, vm_qemu_pid(pair->destination));
    kernel_cgroup_limit(&cgroup,
                        kernel_cgroup_usage_bytes(&cgroup) + (64 << 20));
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_arrives(pair, send, receive);

    g_autofree char *said = vm_tool_stderr(receive);
    g_test_message("%s", said);
    g_assert_nonnull(strstr(said, "no huge page for"));
    g_assert_nonnull(strstr(said, "raise the limit above the size of its"));
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) report = vm_tool_report(receive, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.small_extents"), >, 10);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.laid_extents"), ==, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.after_bytes"), ==, 0);
    vm_expect_beats(pair->destination);
}

static const char *const impatient[] = {"--link-timeout", "3", NULL};

/* Data and zeros, so that both what is copied and what is a hole until the
 * guest touches it meets the limit. */
static VmPair *
pair_in(const KernelCgroup *cgroup, uint64_t room_bytes)
{
    VmQemuOptions options = vm_expect_options(160);
    options.append = "mib=128 zero=30 scan=1 stride=64 report=50 slow=1000";
    VmPair *pair = vm_expect_pair_of(&options, &options);
    kernel_cgroup_enter(cgroup, vm_qemu_pid(pair->destination));
    kernel_cgroup_limit(cgroup,
                        kernel_cgroup_usage_bytes(cgroup) + room_bytes);
    return pair;
}

static void
expect_waits(VmTool *receive)
{
    vm_expect_says(receive, "or QEMU's memory cgroup is full): the guest "
                            "waits");
}

static void
test_waits_for_a_higher_limit(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    int status;
    if (!init_cgroup(&cgroup)) {
        return;
    }
    g_autoptr(VmPair) pair = pair_in(&cgroup, 40 << 20);
    uint64_t before = kernel_cgroup_usage_bytes(&cgroup);
    g_autoptr(VmTool) send = vm_expect_send(pair, impatient);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, impatient);
    expect_waits(receive);
    g_usleep(14 * G_USEC_PER_SEC);
    g_assert_false(vm_child_has_ended(vm_tool_child(send), &status));
    g_assert_false(vm_child_has_ended(vm_tool_child(receive), &status));
    uint64_t full = kernel_cgroup_usage_bytes(&cgroup);
    g_test_message("%" G_GUINT64_FORMAT " of 40 MiB were used",
                   (full - before) >> 20);
    g_assert_cmpuint(full - before, <=, 40 << 20);
    g_assert_cmpuint(full - before, >=, 30 << 20);
    /* Once: if a helper was itself kept from its CPU for so long. */
    vm_expect_said(receive, "dialling the source", 1);
    vm_expect_status(receive, "NO MEMORY HERE");
    kernel_cgroup_limit(&cgroup, before + (256 << 20));
    vm_expect_arrives(pair, send, receive);
}

/* Killed while it waits: whoever takes over waits as well. */
static void
test_a_receiver_that_takes_over_waits(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    if (!init_cgroup(&cgroup)) {
        return;
    }
    g_autoptr(VmPair) pair = pair_in(&cgroup, 40 << 20);
    g_autoptr(VmTool) send = vm_expect_send(pair, impatient);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, impatient);
    expect_waits(receive);
    g_autoptr(VmTool) heir = vm_expect_take_over(
        receive, "receive", pair->destination, impatient);
    expect_waits(heir);
    kernel_cgroup_limit(&cgroup,
                        kernel_cgroup_usage_bytes(&cgroup) + (256 << 20));
    vm_expect_arrives(pair, send, heir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/the-guest-pays/charged-to-qemu", test_charged_to_qemu);
    g_test_add_func("/the-guest-pays/no-room-for-huge-pages",
                    test_no_room_for_huge_pages);
    g_test_add_func("/the-guest-pays/waits-for-a-higher-limit",
                    test_waits_for_a_higher_limit);
    g_test_add_func("/the-guest-pays/a-receiver-that-takes-over-waits",
                    test_a_receiver_that_takes_over_waits);
    return g_test_run();
}
