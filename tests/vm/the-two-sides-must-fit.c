/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two QEMUs that are not of one kind: both helpers end with the reason, the
 * guest stays, and goes to a destination that fits afterwards.
 */
#include "tests/support/vm-expect.h"

typedef struct {
    const char *name;
    unsigned mib[2];
    const char *uuid;
    const char *reason;
} Case;

static const Case cases[] = {
    {"size", {96}, NULL,
     "RAM block 0 is 'm0' of 64 MiB on the source and 'm0' of 96 MiB on the "
     "destination"},
    {"number", {32, 32}, NULL,
     "the destination has 2 RAM blocks, the source 1"},
    {"uuid", {64}, "11111111-2222-3333-4444-555555555555",
     "the destination's QEMU has another UUID than this guest"},
};

static void
test_misfit(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    VmQemuOptions source = vm_expect_options(64);
    VmQemuOptions destination = source;
    for (int i = 0; i < 2; i++) {
        destination.memory[i] =
            (VmMemory){.kind = VM_MEMORY_FILE, .mib = c->mib[i]};
    }
    destination.uuid = c->uuid;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&source, &destination);
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_end(send, 60000, 1, c->reason);
    vm_expect_end(receive, 60000, 1, c->reason);
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);

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
        g_autofree char *path = g_strdup_printf("/the-two-sides-must-fit/%s",
                                                cases[i].name);
        g_test_add_data_func(path, &cases[i], test_misfit);
    }
    return g_test_run();
}
