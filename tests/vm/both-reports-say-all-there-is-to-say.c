/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The JSON reports: every name that scripts may rely on, on both sides, with
 * values that fit each other; after a failure too; and the helpers' memory,
 * which is promised to be 16 MiB and 256 KiB per GiB of guest.
 */
#include "base/range.h"
#include "tests/support/vm-expect.h"

static const char *const numbers[] = {
    "$.schema", "$.vm.ram_bytes", "$.downtime_ms", "$.prepare_ms",
    "$.postcopy_ms", "$.total_ms", "$.pages.total", "$.pages.demand",
    "$.pages.pushed", "$.pages.zero", "$.pages.discarded",
    "$.fault_latency_us.count", "$.fault_latency_us.mean",
    "$.fault_latency_us.p50",
    "$.fault_latency_us.p90", "$.fault_latency_us.p99",
    "$.fault_latency_us.p999", "$.fault_latency_us.max", "$.bytes_received",
    "$.throughput_bytes_per_s", "$.huge.eligible_bytes",
    "$.huge.before_bytes", "$.huge.after_bytes", "$.huge.laid_extents",
    "$.huge.small_extents", "$.huge.sweep_ms", "$.helper.cpu_ms",
    "$.helper.max_rss_kib",
};

static const char *
text(JsonNode *report, const char *name)
{
    JsonObject *o = json_node_get_object(report);
    return json_object_get_string_member_with_default(o, name, "(none)");
}

static void
assert_names(JsonNode *report, const char *role, const char *outcome)
{
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_assert_cmpfloat(vm_expect_number(report, numbers[i]), >=, 0);
    }
    JsonObject *o = json_node_get_object(report);
    JsonObject *vm = json_object_get_object_member(o, "vm");
    JsonObject *huge = json_object_get_object_member(o, "huge");
    g_assert_cmpfloat(vm_expect_number(report, "$.schema"), ==, 1);
    g_assert_cmpstr(text(report, "role"), ==, role);
    g_assert_cmpstr(text(report, "outcome"), ==, outcome);
    g_assert_cmpstr(json_object_get_string_member(vm, "name"), ==, "guest");
    g_assert_cmpuint(strlen(json_object_get_string_member(vm, "uuid")), ==, 36);
    g_assert_nonnull(json_object_get_object_member(huge, "failed"));
}

static void
assert_rss(JsonNode *report)
{
    double gib = vm_expect_number(report, "$.vm.ram_bytes") / (1 << 30);
    double kib = vm_expect_number(report, "$.helper.max_rss_kib");
    g_test_message("%s: helper of %.3f GiB: %.0f KiB", text(report, "role"),
                   gib, kib);
    g_assert_cmpfloat(kib, <=, 16 * 1024 + 256 * gib);
}

static void
assert_destination(JsonNode *report)
{
    double total = vm_expect_number(report, "$.pages.total");
    double demand = vm_expect_number(report, "$.pages.demand");
    double pushed = vm_expect_number(report, "$.pages.pushed");
    double zero = vm_expect_number(report, "$.pages.zero");
    double eligible = vm_expect_number(report, "$.huge.eligible_bytes");
    g_assert_cmpfloat(total * PAGE_BYTES, ==,
                      vm_expect_number(report, "$.vm.ram_bytes"));
    g_assert_cmpfloat(demand, >, 0);
    g_assert_cmpfloat(pushed, >, 0);
    g_assert_cmpfloat(demand + pushed + zero, ==, total);
    g_assert_cmpfloat(vm_expect_number(report, "$.bytes_received"), >=,
                      (demand + pushed) * PAGE_BYTES);
    g_assert_cmpfloat(eligible, >=, 64 << 20);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.after_bytes"), ==,
                      eligible);
    g_assert_cmpfloat(
        vm_expect_number(report, "$.huge.laid_extents") * EXTENT_BYTES, >=,
        eligible);
    g_assert_cmpfloat(vm_expect_number(report, "$.fault_latency_us.count"), >=,
                      demand);
    g_assert_cmpfloat(vm_expect_number(report, "$.fault_latency_us.p50"), <=,
                      vm_expect_number(report, "$.fault_latency_us.p99"));
    g_assert_cmpfloat(vm_expect_number(report, "$.fault_latency_us.p99"), <=,
                      vm_expect_number(report, "$.fault_latency_us.max"));
    g_assert_cmpfloat(vm_expect_number(report, "$.throughput_bytes_per_s"), >,
                      1e6);
    g_assert_cmpfloat(vm_expect_number(report, "$.total_ms"), >=,
                      vm_expect_number(report, "$.postcopy_ms"));
}

static void
test_success(void)
{
    VmQemuOptions options = vm_expect_options(1024);
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    options.append = "mib=700 scan=4 stride=1024 report=50 zero=5";
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) sent = NULL;
    g_autoptr(JsonNode) received = NULL;
    vm_pair_migrate(pair, 60000, &sent, &received, &error);
    g_assert_no_error(error);
    assert_names(sent, "send", "completed");
    assert_names(received, "receive", "completed");
    assert_destination(received);
    assert_rss(sent);
    assert_rss(received);
    /* Both tell one downtime. */
    double ours = vm_expect_number(sent, "$.downtime_ms");
    g_assert_cmpfloat(ours, >, 0);
    double theirs = vm_expect_number(received, "$.downtime_ms");
    g_assert_cmpfloat(ABS(ours - theirs), <, 0.01);
    vm_expect_arrived(pair);
}

static void
test_failure(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    /* Not waited for at its port, which it may leave before that is seen. */
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    const char *args[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                          "--listen", at, "--peer-timeout", "1", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) send = vm_tool_start("send", args, true, &error);
    g_assert_no_error(error);
    vm_expect_end(send, 60000, 1, "a destination ('postlude receive')");
    g_autoptr(JsonNode) report = vm_tool_report(send, &error);
    g_assert_no_error(error);
    assert_names(report, "send", "failed");
    g_assert_nonnull(strstr(text(report, "reason"), "gave up waiting"));
    vm_expect_at_home(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/both-reports/after-a-success", test_success);
    g_test_add_func("/both-reports/after-a-failure", test_failure);
    return g_test_run();
}
