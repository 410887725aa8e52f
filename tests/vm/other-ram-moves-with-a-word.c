/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM that is not as we like it but can be moved: a mapping that no huge page
 * fits moves with a warning that says what to change; a memfd of a QEMU that
 * leaves every shared block to us moves like a file.
 */
#include "base/range.h"
#include "tests/support/vm-expect.h"

static bool
is_unaligned(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    return g_array_index(ram, ProcMapping, 0).start % EXTENT_BYTES != 0;
}

static void
test_unaligned(void)
{
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.memory[0].unaligned = true;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    /* One address in 512 fits by chance. */
    for (int i = 0; i < 5 && !is_unaligned(pair->destination); i++) {
        g_autoptr(GError) error = NULL;
        vm_pair_renew_destination(pair, &error);
        g_assert_no_error(error);
    }
    g_assert_true(is_unaligned(pair->destination));
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(receive, "not a multiple of 2 MiB: the guest arrives with "
                            "small pages; add align=2M");
    vm_expect_arrives(pair, send, receive);
}

static void
test_memfd(void)
{
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.memory[0].kind = VM_MEMORY_MEMFD;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) probe = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    int major, minor, micro;
    qmp_client_version(vm_qemu_monitor(probe), &major, &minor, &micro);
    if (major > 8 || (major == 8 && minor >= 1)) {
        g_test_message("QEMU %d.%d sends a memfd itself: it is refused, see "
                       "what-cannot-be-safe-is-refused", major, minor);
        return;
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/other-ram/unaligned", test_unaligned);
    g_test_add_func("/other-ram/memfd", test_memfd);
    return g_test_run();
}
