/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that begins to migrate ends its sweep, and one that is migrating is
 * not swept: it needs its time and its page tables for that. A migration that
 * was given up is no obstacle, and one that ends well leads to the
 * destination.
 */
#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"
#include "tests/support/vm-sweep.h"

#define FILLED_BYTES (UINT64_C(128) << 20)
/* One extent in a tenth of a second or more; a migration of a minute. */
#define SLOWLY "--duty", "1"
#define CRAWL (UINT64_C(1) << 20)
#define MOVE_MS 60000

static void
expect_interrupted(VmPair *pair)
{
    static const char *const slowly[] = {SLOWLY, NULL};
    static const char *const words[] = {
        "a migration of the guest is under way", "not reached in this run",
        NULL};
    g_autoptr(VmTool) tool = vm_sweep_start(pair->source, slowly);
    vm_sweep_wait_huge(pair->source, 2 * EXTENT_BYTES);
    vm_native_start(pair, CRAWL);
    vm_sweep_expect(tool, 3, words);
    /* It ended for the migration's sake, not because all was done. */
    g_assert_cmpuint(vm_sweep_huge_bytes(pair->source), >=, 2 * EXTENT_BYTES);
    g_assert_cmpuint(vm_sweep_huge_bytes(pair->source), <, FILLED_BYTES);
    /* Not before: it may still be setting up. */
    vm_native_wait(pair->source, "active", MOVE_MS);
}

static void
expect_refused(VmQemu *vm, const char *text)
{
    g_autoptr(VmTool) tool =
        vm_sweep_start(vm, (const char *const[]){"--fast", NULL});
    vm_expect_end(tool, MOVE_MS, 1, text);
}

static void
expect_swept(VmQemu *vm)
{
    g_autoptr(VmTool) tool =
        vm_sweep_start(vm, (const char *const[]){"--fast", NULL});
    vm_sweep_expect(tool, 0, (const char *const[]){"(100.0%) now", NULL});
    g_assert_cmpuint(vm_sweep_huge_bytes(vm), >=, FILLED_BYTES);
}

static void
run(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .version = (VmQemuVersion)GPOINTER_TO_INT(data),
        .memory = {{.kind = VM_MEMORY_FILE, .mib = 160}},
        .append = "mib=128 scan=1 stride=1024 report=50 slow=1000",
    };
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return;
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    expect_interrupted(pair);
    expect_refused(pair->source, "a migration of the guest is under way; "
                                 "--after-migration waits for its end");
    vm_native_cancel(pair->source, MOVE_MS);
    vm_expect_beats(pair->source);
    expect_swept(pair->source);

    vm_pair_renew_destination(pair, &error);
    g_assert_no_error(error);
    vm_native_move(pair, VM_NATIVE_MIB_PER_S(512));
    vm_native_wait(pair->destination, "completed", MOVE_MS);
    vm_native_wait(pair->source, "completed", MOVE_MS);
    expect_refused(pair->source, "the guest has left this host");
    expect_swept(pair->destination);
    vm_pair_wait_scans(pair, 2, MOVE_MS, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/collapse-makes-way/qemu-of-this-host",
                         GINT_TO_POINTER(VM_QEMU_HOST), run);
    g_test_add_data_func("/collapse-makes-way/qemu-10",
                         GINT_TO_POINTER(VM_QEMU_10), run);
    return g_test_run();
}
