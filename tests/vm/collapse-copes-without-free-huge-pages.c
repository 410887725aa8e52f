/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host without a free huge page, as postlude collapse meets it: the whole
 * verb on a real guest, with a kernel that says ENOMEM (refuse-collapse.c;
 * exhausting this host's memory would not be ours to do). It asks for
 * compaction once, goes on when pages come free, and gives up in bounded time
 * with a clear word when none do. The guest does not notice.
 */
#include <string.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-sweep.h"

#define FILLED_BYTES (UINT64_C(64) << 20)
/* "gives up after 30 s of nothing else" */
#define BOUND_MS 40000

static VmQemu *
start(void)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .memory = {{.kind = VM_MEMORY_FILE, .mib = 96}},
        .append = "mib=64 scan=1 stride=1024 report=50 slow=1000",
    };
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "ready ", 120000, &error);
    g_assert_no_error(error);
    return vm;
}

/* The variables are for the tool alone: QEMU runs already. */
static VmTool *
start_refused(VmQemu *vm, const char *times, const char *log)
{
    static const char *const fast[] = {"--fast", NULL};
    g_setenv("LD_PRELOAD", REFUSE_COLLAPSE, TRUE);
    g_setenv("POSTLUDE_TEST_REFUSE", times, TRUE);
    g_setenv("POSTLUDE_TEST_REFUSE_LOG", log, TRUE);
    /* Of a build with sanitizers: it has to be the first otherwise. */
    g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", TRUE);
    VmTool *tool = vm_sweep_start(vm, fast);
    g_unsetenv("LD_PRELOAD");
    g_unsetenv("POSTLUDE_TEST_REFUSE");
    g_unsetenv("POSTLUDE_TEST_REFUSE_LOG");
    return tool;
}

static unsigned
count_lines(const char *log, const char *line)
{
    g_autofree char *text = NULL;
    unsigned n = 0;
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (const char *at = text; (at = strstr(at, line)); at++) {
        n++;
    }
    return n;
}

static void
run(const char *times, int code, const char *const *words, uint64_t huge_bytes,
    unsigned least_refused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start();
    if (!vm) {
        return;
    }
    uint64_t before = vm_sweep_huge_bytes(vm);
    g_autofree char *directory =
        vm_child_make_directory("postlude-refuse", &error);
    g_assert_no_error(error);
    g_autofree char *log = g_build_filename(directory, "log", NULL);
    uint64_t began = fd_now_ns();
    g_autoptr(VmTool) tool = start_refused(vm, times, log);
    vm_sweep_expect(tool, code, words);
    g_autofree char *said = vm_tool_stdout(tool);
    g_test_message("%s", said);
    g_assert_cmpuint((fd_now_ns() - began) / 1000000, <, BOUND_MS);
    g_assert_cmpuint(count_lines(log, "compact"), ==, 1);
    g_assert_cmpuint(count_lines(log, "refused"), >=, least_refused);
    g_assert_cmpuint(vm_sweep_huge_bytes(vm), >=, before + huge_bytes);
    vm_expect_beats(vm);
    vm_child_remove_directory(directory);
}

static void
test_never(void)
{
    static const char *const words[] = {
        "this host has had no free huge page for a while, even after it was "
        "asked to compact its memory",
        "0 made huge", "the host had no free huge page (ENOMEM)",
        "remedy: free memory on this host", "compact",
        "ENOMEM ", NULL};
    run("-1", 3, words, 0, 2 * FILLED_BYTES / EXTENT_BYTES);
}

static void
test_later(void)
{
    static const char *const words[] = {"every extent was tried",
                                        "(100.0%) now", "ENOMEM ", NULL};
    run("40", 0, words, FILLED_BYTES, 40);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-without/never", test_never);
    g_test_add_func("/collapse-without/later", test_later);
    return g_test_run();
}
