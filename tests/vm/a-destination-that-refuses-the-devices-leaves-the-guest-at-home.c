/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's QEMU has other hardware, so it refuses the device state
 * when the guest already stands still. QEMU's source learns it over the return
 * path and goes on; so does the guest, and it can be moved to a better place.
 */
#include "tests/support/vm-expect.h"

typedef struct {
    const char *name;
    VmQemuVersion version;
    const char *source[3], *destination[3];
    const char *machine; /* of the destination */
} Case;

static const Case cases[] = {
    {"qemu/one-device-too-few", VM_QEMU_HOST,
     {"-device", "virtio-rng-pci", NULL}, {NULL}, NULL},
    {"qemu/another-machine", VM_QEMU_HOST, {NULL}, {NULL}, "q35"},
    {"qemu10/one-device-too-few", VM_QEMU_10,
     {"-device", "virtio-rng-pci", NULL}, {NULL}, NULL},
};

static void
test_refused(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(vm_qemu_why_not(c->version, false))) {
        return;
    }
    VmQemuOptions source = vm_expect_options(64);
    source.version = c->version;
    source.extra = c->source;
    VmQemuOptions destination = source;
    destination.extra = c->destination;
    destination.machine = c->machine;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&source, &destination);
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_end(send, 60000, 1, "postlude send: switchover: ");
    vm_expect_end(receive, 60000, 1, "postlude receive: switchover: ");
    vm_expect_at_home(pair);

    g_autofree char *said = vm_qemu_serial_text(pair->destination);
    g_assert_cmpstr(said, ==, "");
    g_autoptr(GError) error = NULL;
    VmQemuOptions good = source;
    good.incoming = true;
    vm_qemu_free(pair->destination);
    pair->destination = vm_qemu_start(&good, &error);
    g_assert_no_error(error);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-destination-that-refuses-the-devices/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_refused);
    }
    return g_test_run();
}
