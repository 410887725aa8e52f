/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A real kernel with paging, interrupts and a page cache goes there and back
 * on each QEMU we have, while a process in it writes files and compares them.
 */
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"

static void
expect_hop(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    vm_pair_migrate(pair, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    /* Each tick compares one of 16 pairs of files: all of them, and more. */
    vm_expect_ticks(pair->destination, 20);
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);
    uint64_t huge, rss;
    vm_look_huge(pair->destination, &huge, &rss, &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " MiB are huge", huge >> 20, rss >> 20);
    g_assert_cmpuint(huge, >=, 64 << 20);
}

static void
test_there_and_back(gconstpointer data)
{
    VmQemuVersion version = (VmQemuVersion)GPOINTER_TO_INT(data);
    if (vm_qemu_skip(vm_linux_why_not(version))) {
        return;
    }
    VmQemuOptions options = {.version = version,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 384}}};
    vm_linux_set(&options, 16);
    VmQemuOptions incoming = options;
    incoming.incoming = true;
    g_autoptr(GError) error = NULL;
    VmPair *started = vm_pair_start_idle(&options, &incoming, &error);
    g_assert_no_error(error);
    g_autoptr(VmPair) pair = started;
    vm_qemu_wait_serial(pair->source, "linux guest ready", 120000, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(pair->source, "tick 3 ok", 60000, &error);
    g_assert_no_error(error);
    expect_hop(pair);
    vm_pair_turn(pair, &error);
    g_assert_no_error(error);
    expect_hop(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/a-linux-guest-moves/qemu/there-and-back",
                         GINT_TO_POINTER(VM_QEMU_HOST), test_there_and_back);
    g_test_add_data_func("/a-linux-guest-moves/qemu10/there-and-back",
                         GINT_TO_POINTER(VM_QEMU_10), test_there_and_back);
    return g_test_run();
}
