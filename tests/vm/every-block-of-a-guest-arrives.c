/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A zoo of guests, each with another kind of RAM. They are moved paused, so
 * that afterwards every RAM block of both QEMUs can be compared, those that we
 * move and those that QEMU carries; then they run on.
 */
#include "tests/support/vm-blocks.h"
#include "tests/support/vm-expect.h"

#define BACKEND(ID)                                                            \
    "-object",                                                                 \
        "memory-backend-file,id=" ID ",size=32M,mem-path=/dev/shm,share=on,"   \
        "align=2M"
#define SLOTS "-m", "64M,slots=2,maxmem=1G"

typedef struct {
    const char *name;
    const char *machine;
    bool two_nodes;
    const char *const *extra;
    const char *filled; /* block that the witness knows nothing of, or NULL */
    unsigned seen;      /* blocks that have an address, also on QEMU 7.2 */
} Case;

static const char *const vga[] = {"-device", "VGA", NULL};
static const char *const dimm[] = {
    SLOTS, BACKEND("d0"), "-device", "pc-dimm,id=dimm0,memdev=d0", NULL};
static const char *const nvdimm[] = {
    SLOTS, BACKEND("n0"), "-device",
    "nvdimm,id=nv0,memdev=n0,label-size=128K", NULL};
static const char *const virtio_mem[] = {
    SLOTS, BACKEND("v0"), "-device",
    "virtio-mem-pci,id=vmem0,memdev=v0,requested-size=16M", NULL};
static const char *const bridge[] = {
    SLOTS, BACKEND("v0"), "-device", "pci-bridge,id=br0,chassis_nr=1",
    "-device", "virtio-mem-pci,memdev=v0,bus=br0,addr=3", NULL};
static const char *const none[] = {NULL};

static const Case cases[] = {
    {"vga", NULL, false, vga, "/vga.vram", 3},
    {"pc-dimm", NULL, false, dimm, "d0", 3},
    {"nvdimm", "pc,nvdimm=on", false, nvdimm, "n0", 3},
    {"virtio-mem", NULL, false, virtio_mem, NULL, 3},
    {"virtio-mem-behind-a-bridge", NULL, false, bridge, NULL, 3},
    {"virtio-mem-old-machine", "pc-i440fx-3.1", false, virtio_mem, NULL, 3},
    {"two-numa-nodes", NULL, true, none, NULL, 3},
};

typedef struct {
    const Case *kind;
    VmQemuVersion version;
} Run;

static void
test_moves(gconstpointer data)
{
    const Run *run = data;
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(run->version, false))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.version = run->version;
    options.machine = run->kind->machine;
    options.extra = run->kind->extra;
    if (run->kind->two_nodes) {
        options.memory[1] = options.memory[0];
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    vm_qemu_command(pair->source, "stop", NULL, &error);
    g_assert_no_error(error);
    if (run->kind->filled) {
        vm_blocks_fill(pair->source, run->kind->filled, 1);
    }
    vm_pair_migrate(pair, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    vm_expect_state(pair->destination, "paused");
    vm_blocks_expect_same(pair, run->kind->seen);
    vm_qemu_command(pair->destination, "cont", NULL, &error);
    g_assert_no_error(error);
    vm_expect_arrived(pair);
}

int
main(int argc, char **argv)
{
    static Run runs[2 * G_N_ELEMENTS(cases)];
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        runs[i] = (Run){&cases[i / 2], i % 2 ? VM_QEMU_10 : VM_QEMU_HOST};
        g_autofree char *path =
            g_strdup_printf("/every-block/%s/%s", runs[i].kind->name,
                            i % 2 ? "10" : "host");
        g_test_add_data_func(path, &runs[i], test_moves);
    }
    return g_test_run();
}
