/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --after-migration where nothing is to be had from waiting: the migration
 * fails, there is none, QEMU ends, the operator has enough. It says which, ends
 * with 1, and has swept nothing. And where it is right to wait on: for the last
 * page of a move by postlude, of which it says that it waits.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"
#include "tests/support/vm-passage.h"
#include "tests/support/vm-sweep.h"

#define END_MS 60000
/* A migration of a minute. */
#define CRAWL VM_NATIVE_MIB_PER_S(1)
#define RAM_MIB 64

static const char ended[] =
    "QEMU ended before the migration was complete: it failed, or was given up";
static const char interrupted[] =
    "stopped while waiting for the migration; nothing was swept";

static VmTool *
start_waiting(VmQemu *vm)
{
    static const char *const after[] = {"--after-migration", NULL};
    VmTool *tool = vm_sweep_start(vm, after);
    vm_expect_says(tool, "waiting for the end of the migration");
    return tool;
}

/* The source says that it was given up; the destination's QEMU ends. */
static void
test_fails(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(RAM_MIB);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) there = start_waiting(pair->destination);
    vm_native_start(pair, CRAWL);
    g_autoptr(VmTool) here = start_waiting(pair->source);
    vm_qemu_command(pair->source, "migrate_cancel", NULL, &error);
    g_assert_no_error(error);
    vm_expect_end(here, END_MS, 1, "the migration failed (");
    vm_expect_end(there, END_MS, 1, ended);
    vm_expect_beats(pair->source);
}

static void
test_none(void)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = vm_expect_options(RAM_MIB);
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return;
    }
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    g_autoptr(VmTool) tool = start_waiting(vm);
    vm_expect_end(tool, END_MS, 1,
                  "no migration is expected or under way: leave "
                  "--after-migration away to sweep now");
}

static VmQemu *
start_incoming(void)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = vm_expect_options(RAM_MIB);
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return NULL;
    }
    options.incoming = true;
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

static void
test_qemu_ends(void)
{
    g_autoptr(VmQemu) vm = start_incoming();
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = start_waiting(vm);
    vm_child_kill(vm_qemu_child(vm), SIGKILL);
    vm_expect_end(tool, END_MS, 1, ended);
}

static void
test_stopped(void)
{
    g_autoptr(VmQemu) vm = start_incoming();
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = start_waiting(vm);
    vm_child_kill(vm_tool_child(tool), SIGINT);
    vm_expect_end(tool, END_MS, 1, interrupted);
    vm_expect_state(vm, "inmigrate");
}

/* The test's monitor and the tool's are taken: this one is for the sweep. */
static VmTool *
sweep_by(const char *monitor)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--after-migration", "--qmp", monitor, NULL};
    VmTool *tool = vm_tool_start("collapse", args, false, &error);
    g_assert_no_error(error);
    return tool;
}

/* QEMU has said "completed", and most of the guest's memory is elsewhere. */
static void
expect_word(VmPair *pair, const char *monitor)
{
    static const char *const patient[] = {"--link-timeout", "30", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmProxy) proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(proxy, "throttle bulk to-destination 65536");
    vm_passage_order(proxy, "throttle urgent to-destination 65536");
    g_autoptr(VmTool) send = vm_expect_send(pair, patient);
    g_autoptr(VmTool) receive = vm_pair_receive_from(
        pair, vm_proxy_address(proxy), patient, &error);
    g_assert_no_error(error);
    vm_expect_state(pair->destination, "running");
    vm_child_kill(vm_tool_child(receive), SIGSTOP);

    g_autoptr(VmTool) tool = sweep_by(monitor);
    vm_expect_says(tool, "still guarded by a userfaultfd");
    vm_expect_says(tool, "run 'postlude receive --resume'");
    vm_child_kill(vm_tool_child(tool), SIGINT);
    vm_expect_end(tool, END_MS, 1, interrupted);

    g_autoptr(VmTool) other = sweep_by(monitor);
    vm_expect_says(other, "still guarded by a userfaultfd");
    vm_passage_order(proxy, "heal");
    g_autoptr(VmTool) heir = vm_expect_take_over(receive, "receive",
                                                 pair->destination, patient);
    vm_expect_arrives(pair, send, heir);
    vm_sweep_expect(other, 0,
                    (const char *const[]){"every extent was tried", NULL});
}

static void
test_dead_receiver(void)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions source = vm_expect_options(RAM_MIB), destination = source;
    if (vm_qemu_skip(vm_qemu_why_not(source.version, false))) {
        return;
    }
    g_autofree char *directory =
        vm_child_make_directory("postlude-third", &error);
    g_assert_no_error(error);
    g_autofree char *monitor = g_build_filename(directory, "qmp", NULL);
    g_autofree char *value =
        g_strdup_printf("unix:%s,server=on,wait=off", monitor);
    const char *const extra[] = {"-qmp", value, NULL};
    destination.extra = extra;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&source, &destination);
    expect_word(pair, monitor);
    vm_child_remove_directory(directory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-after/fails", test_fails);
    g_test_add_func("/collapse-after/none", test_none);
    g_test_add_func("/collapse-after/qemu-ends", test_qemu_ends);
    g_test_add_func("/collapse-after/stopped", test_stopped);
    g_test_add_func("/collapse-after/dead-receiver", test_dead_receiver);
    return g_test_run();
}
