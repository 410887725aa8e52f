/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that the guest takes into use after the destination has laid its
 * huge pages arrives in small ones, and is swept when the last page is there.
 * A signal ends that sweep, and the guest is as well off as before.
 */
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/vm-expect.h"

#define MIB 128
#define GO_MS 60000
/* Of any two extents one gets its data late. */
#define LATE_EXTENTS (MIB / 2 / 2)
/* At random: some of them in each of these extents. */
#define ACCESSES 5000

static uint64_t
accesses(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    const WitnessBeat *last = witness_log_last(log);
    return last ? last->accesses : 0;
}

/* Every second extent holds one page, the others none, until 'h' is pressed:
 * here between the laying and the stop. */
static void
use_holes(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(pair->source, "send-key",
                    "{\"keys\": [{\"type\": \"qcode\", \"data\": \"h\"}]}",
                    &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(pair->source, "holes in use", GO_MS, &error);
    g_assert_no_error(error);
    uint64_t deadline = fd_deadline_ns(GO_MS);
    uint64_t enough = accesses(pair->source) + ACCESSES;
    while (accesses(pair->source) < enough) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
}

static VmPair *
start(VmTool **send, VmTool **receive)
{
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return NULL;
    }
    VmQemuOptions options = vm_expect_options(MIB + 32);
    options.append = "mib=128 sparse=1024 scan=16 report=50"; /* MIB */
    VmPair *pair = vm_expect_pair_of(&options, &options);
    const char *wait[] = {"--wait", NULL};
    *send = vm_expect_send(pair, wait);
    *receive = vm_expect_receive(pair, NULL);
    vm_expect_says(*send, "send SIGUSR1");
    use_holes(pair);
    vm_child_kill(vm_tool_child(*send), SIGUSR1);
    return pair;
}

static JsonNode *
report_of(VmTool *tool)
{
    g_autoptr(GError) error = NULL;
    JsonNode *report = vm_tool_report(tool, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.small_extents"), >=,
                      LATE_EXTENTS / 2);
    return report;
}

static void
test_swept(void)
{
    g_autoptr(VmTool) send = NULL;
    g_autoptr(VmTool) receive = NULL;
    g_autoptr(VmPair) pair = start(&send, &receive);
    if (!pair) {
        return;
    }
    vm_expect_arrives(pair, send, receive);
    g_autoptr(JsonNode) report = report_of(receive);
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.after_bytes"), >=,
                      vm_expect_number(report, "$.huge.eligible_bytes"));
    g_assert_cmpfloat(vm_expect_number(report, "$.huge.before_bytes"), <=,
                      vm_expect_number(report, "$.huge.eligible_bytes") -
                          LATE_EXTENTS / 2 * EXTENT_BYTES);
    JsonObject *huge = json_object_get_object_member(
        json_node_get_object(report), "huge");
    g_assert_cmpuint(json_object_get_size(json_object_get_object_member(
                         huge, "failed")), ==, 0);
}

/* False if the sweep was done before the signal came. */
static bool
stop_sweep(void)
{
    g_autoptr(VmTool) send = NULL;
    g_autoptr(VmTool) receive = NULL;
    g_autoptr(VmPair) pair = start(&send, &receive);
    if (!pair) {
        return true;
    }
    vm_expect_says(receive, "sweeping");
    vm_child_kill(vm_tool_child(receive), SIGTERM);
    vm_expect_end(receive, GO_MS, 0, "");
    vm_expect_end(send, GO_MS, 0, "");
    g_autofree char *said = vm_tool_stderr(receive);
    g_autoptr(JsonNode) report = report_of(receive);
    double after = vm_expect_number(report, "$.huge.after_bytes");
    double eligible = vm_expect_number(report, "$.huge.eligible_bytes");
    if (!strstr(said, "not all of it in huge pages: it was stopped")) {
        g_assert_cmpfloat(after, >=, eligible);
        return false;
    }
    g_assert_cmpfloat(after, <, eligible);
    vm_expect_arrived(pair);
    return true;
}

static void
test_stopped(void)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        if (stop_sweep()) {
            return;
        }
    }
    g_error("the sweep could never be stopped in time");
}

/* Within the first rest: the helper knows without another try. False if the
 * sweep was done before. */
static bool
end_in_sweep(void)
{
    g_autoptr(VmTool) send = NULL;
    g_autoptr(VmTool) receive = NULL;
    g_autoptr(VmPair) pair = start(&send, &receive);
    if (!pair) {
        return true;
    }
    vm_expect_says(receive, "sweeping");
    vm_child_kill(vm_qemu_child(pair->destination), SIGKILL);
    bool said = vm_tool_wait_stderr(
        receive, "the guest has ended; all of its memory had arrived", GO_MS,
        NULL);
    vm_expect_end(send, GO_MS, 0, "");
    return said;
}

static void
test_guest_ends(void)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        if (end_in_sweep()) {
            return;
        }
    }
    g_error("the guest could never be ended in time");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/arrived-small/swept", test_swept);
    g_test_add_func("/arrived-small/a-signal-ends-it", test_stopped);
    g_test_add_func("/arrived-small/the-guest-ends", test_guest_ends);
    return g_test_run();
}
