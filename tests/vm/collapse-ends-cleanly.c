/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * However a sweep ends, it says so in the right words and leaves a guest that
 * runs: stopped by the operator, by the end of the guest, by what cannot be
 * huge; and one that is only asked about is not touched.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-sweep.h"

#define RAM_MIB 160
#define FILLED_BYTES (UINT64_C(128) << 20)
/* One extent in a tenth of a second or more: slow enough to be caught at it. */
#define SLOWLY "--duty", "1"
#define SOME_EXTENTS 8

static VmQemuOptions
guest_options(VmMemoryKind kind)
{
    VmQemuOptions options = vm_expect_options(RAM_MIB);
    options.memory[0].kind = kind;
    options.append = "mib=128 scan=1 stride=1024 report=50 slow=1000";
    return options;
}

/* NULL if the case has been marked and has to return. */
static VmQemu *
start(const VmQemuOptions *options)
{
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(options->version, false))) {
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "ready ", 120000, &error);
    g_assert_no_error(error);
    return vm;
}

static uint64_t
huge_bytes(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    uint64_t huge = 0, rss = 0;
    vm_look_huge(vm, &huge, &rss, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rss, >=, FILLED_BYTES);
    return huge;
}

static VmQemu *
start_small(void)
{
    VmQemuOptions options = guest_options(VM_MEMORY_FILE);
    g_autoptr(VmQemu) vm = start(&options);
    if (vm && huge_bytes(vm) > 0 &&
        vm_qemu_skip(g_strdup("this host makes shared memory huge by itself: "
                              "write never to /sys/kernel/mm/"
                              "transparent_hugepage/shmem_enabled"))) {
        return NULL;
    }
    return g_steal_pointer(&vm);
}

/* Of the thread that makes the calls: one that waits for a CPU inside a call
 * keeps the guest waiting for its locks. */
static int
nice_of_sweep(VmTool *tool)
{
    g_autofree char *tasks = g_strdup_printf(
        "/proc/%d/task", vm_child_pid(vm_tool_child(tool)));
    g_autoptr(GDir) dir = g_dir_open(tasks, 0, NULL);
    const char *tid;
    while (dir && (tid = g_dir_read_name(dir))) {
        g_autofree char *comm = g_build_filename(tasks, tid, "comm", NULL);
        g_autofree char *name = NULL;
        if (g_file_get_contents(comm, &name, NULL, NULL) &&
            g_str_has_prefix(name, "sweep")) {
            return getpriority(PRIO_PROCESS, (id_t)atoi(tid));
        }
    }
    g_error("there is no thread that sweeps");
}

static void
test_stopped(void)
{
    static const char *const slowly[] = {SLOWLY, NULL};
    static const char *const words[] = {
        "it was stopped", "not reached in this run",
        "remedy: run postlude collapse again", NULL};
    static const char *const all[] = {"--fast", NULL};
    static const char *const rest[] = {"every extent was tried",
                                       "(100.0%) now", NULL};
    g_autoptr(VmQemu) vm = start_small();
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = vm_sweep_start(vm, slowly);
    vm_sweep_wait_huge(vm, 2 * EXTENT_BYTES);
    g_assert_cmpint(nice_of_sweep(tool), ==, -10);
    uint64_t signalled = fd_now_ns();
    vm_child_kill(vm_tool_child(tool), SIGINT);
    uint64_t huge = vm_sweep_huge_bytes(vm);
    vm_sweep_expect(tool, 3, words);
    g_test_message("ended %" G_GUINT64_FORMAT " ms after SIGINT",
                   (fd_now_ns() - signalled) / 1000000);
    /* The one it was at; and for as long as the thread that takes signals has
     * to wait for a CPU the one that sweeps goes on. */
    g_assert_cmpuint(huge_bytes(vm), <=, huge + SOME_EXTENTS * EXTENT_BYTES);
    g_assert_cmpuint(huge_bytes(vm), <, FILLED_BYTES);
    vm_expect_beats(vm);
    g_autoptr(VmTool) again = vm_sweep_start(vm, all);
    vm_sweep_expect(again, 0, rest);
    g_assert_cmpuint(huge_bytes(vm), >=, FILLED_BYTES);
    vm_expect_beats(vm);
}

static void
test_guest_killed(void)
{
    static const char *const slowly[] = {SLOWLY, NULL};
    static const char *const words[] = {"the guest has ended", NULL};
    g_autoptr(VmQemu) vm = start_small();
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = vm_sweep_start(vm, slowly);
    vm_sweep_wait_huge(vm, 2 * EXTENT_BYTES);
    vm_child_kill(vm_qemu_child(vm), SIGKILL);
    vm_sweep_expect(tool, 3, words);
}

static void
test_disabled(void)
{
    static const char *const fast[] = {"--fast", NULL};
    static const char *const words[] = {
        "every extent was tried", "(0.0%) now",
        "huge pages are switched off for QEMU (PR_SET_THP_DISABLE)",
        "remedy: find who starts QEMU so", NULL};
    VmQemuOptions options = guest_options(VM_MEMORY_FILE);
    /* A child inherits it, across execve() too: prctl(2). */
    g_assert_cmpint(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), ==, 0);
    g_autoptr(VmQemu) vm = start(&options);
    g_assert_cmpint(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), ==, 0);
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = vm_sweep_start(vm, fast);
    vm_sweep_expect(tool, 0, words);
    g_assert_cmpuint(huge_bytes(vm), ==, 0);
    vm_expect_beats(vm);
}

static bool
is_misaligned(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    const ProcMapping *m = &g_array_index(ram, ProcMapping, 0);
    return (m->start - m->offset) % EXTENT_BYTES != 0;
}

static void
test_misaligned(void)
{
    static const char *const fast[] = {"--fast", NULL};
    static const char *const words[] = {
        "(0.0%) now", "does not start at a multiple of 2 MiB of its file",
        "remedy: start QEMU with -object memory-backend-file,align=2M", NULL};
    VmQemuOptions options = guest_options(VM_MEMORY_MEMFD);
    g_autoptr(VmQemu) vm = NULL;
    /* One address in 512 fits by chance. */
    for (int i = 0; i < 5 && (!vm || !is_misaligned(vm)); i++) {
        g_clear_pointer(&vm, vm_qemu_free);
        vm = start(&options);
        if (!vm) {
            return;
        }
    }
    g_assert_true(is_misaligned(vm));
    g_autoptr(VmTool) tool = vm_sweep_start(vm, fast);
    vm_sweep_expect(tool, 0, words);
    g_assert_cmpuint(huge_bytes(vm), ==, 0);
    vm_expect_beats(vm);
}

static void
test_dry_run(void)
{
    static const char *const dry[] = {"--dry-run", NULL};
    static const char *const words[] = {"nothing was changed", "to do ",
                                        "at a duty of 10%",
                                        "growth      the guest would take ",
                                        NULL};
    g_autoptr(VmQemu) vm = start_small();
    if (!vm) {
        return;
    }
    g_autoptr(VmTool) tool = vm_sweep_start(vm, dry);
    vm_sweep_expect(tool, 0, words);
    g_assert_cmpuint(huge_bytes(vm), ==, 0);
    vm_expect_beats(vm);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-ends/stopped", test_stopped);
    g_test_add_func("/collapse-ends/guest-killed", test_guest_killed);
    g_test_add_func("/collapse-ends/thp-disabled", test_disabled);
    g_test_add_func("/collapse-ends/misaligned", test_misaligned);
    g_test_add_func("/collapse-ends/dry-run", test_dry_run);
    return g_test_run();
}
