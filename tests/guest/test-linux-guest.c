/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Linux guest boots in each QEMU we have, with its RAM in a shared file,
 * and ticks.
 */
#include "base/fd.h"
#include "tests/support/vm-linux.h"

static void
test_boots_and_ticks(gconstpointer data)
{
    VmQemuVersion version = (VmQemuVersion)GPOINTER_TO_INT(data);
    if (vm_qemu_skip(vm_linux_why_not(version))) {
        return;
    }
    VmQemuOptions options = {.version = version,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 512}}};
    vm_linux_set(&options, 16);
    g_autoptr(GError) error = NULL;
    uint64_t began = fd_now_ns();
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "linux guest ready", 120000, &error);
    g_assert_no_error(error);
    g_test_message("ready after %" G_GUINT64_FORMAT " ms",
                   (fd_now_ns() - began) / 1000000);
    vm_qemu_wait_serial(vm, "tick 17 ok", 60000, &error);
    g_assert_no_error(error);
    g_autofree char *text = vm_qemu_serial_text(vm);
    g_assert_cmpint(vm_linux_ticks(text), >=, 17);
}

static void
test_ticks_are_read(void)
{
    g_assert_cmpint(vm_linux_ticks(""), ==, 0);
    g_assert_cmpint(vm_linux_ticks("tick 3 ok pair=2 up=1\r\n"), ==, 3);
    g_assert_cmpint(vm_linux_ticks("tick 3 ok pair=2 up=1\ntick 4 ok pair=3"),
                    ==, 3);
    g_assert_cmpint(vm_linux_ticks("tick 3 ok pair=2 up=1\n"
                                   "tick 4 WRONG pair=3\n"), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/linux-guest/ticks-are-read", test_ticks_are_read);
    g_test_add_data_func("/linux-guest/qemu/boots-and-ticks",
                         GINT_TO_POINTER(VM_QEMU_HOST), test_boots_and_ticks);
    g_test_add_data_func("/linux-guest/qemu10/boots-and-ticks",
                         GINT_TO_POINTER(VM_QEMU_10), test_boots_and_ticks);
    return g_test_run();
}
