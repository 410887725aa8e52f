/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Real QEMUs with devices that have RAM from a memory backend: what QEMU calls
 * the block, with and without an id, behind a bridge, on an old machine type;
 * and the block that it has no name for.
 */
#include <string.h>

#include "qmp/qmp-qemu.h"
#include "tests/support/vm-qemu.h"

#define BACKEND(ID, KIND)                                                      \
    "-object", "memory-backend-" KIND ",id=" ID ",size=32M"
#define FILE_KIND "file,mem-path=/dev/shm,share=on"

static const char *const devices[] = {
    "-m", "32M,slots=4,maxmem=2G",
    BACKEND("v0", FILE_KIND), BACKEND("v1", FILE_KIND),
    BACKEND("d0", "ram"), BACKEND("d1", FILE_KIND), BACKEND("n0", FILE_KIND),
    BACKEND("iv", FILE_KIND), BACKEND("p0", FILE_KIND),
    BACKEND("spare", FILE_KIND),
    "-device", "pci-bridge,id=br,chassis_nr=1,addr=5",
    "-device", "virtio-mem-pci,id=vmem,memdev=v0,addr=6,prealloc=on",
    "-device", "virtio-mem-pci,memdev=v1,bus=br,addr=3",
    "-device", "pc-dimm,id=dimm,memdev=d0", "-device", "pc-dimm,memdev=d1",
    "-device", "nvdimm,id=nv,memdev=n0",
    "-device", "ivshmem-plain,id=iv,memdev=iv,addr=7",
    "-device", "virtio-pmem-pci,id=pm,memdev=p0", "-device", "VGA,addr=8",
    NULL};

static const struct {
    const char *block;
    const char *backend; /* NULL: the block is QEMU's own */
    const char *device, *id;
} expected[] = {
    {"m0", "m0", NULL, NULL},
    {"0000:00:06.0/v0", "v0", "virtio-mem-pci", "vmem"},
    {"0000:00:05.0:03.0/v1", "v1", "virtio-mem-pci", NULL},
    {"d0", "d0", "pc-dimm", "dimm"},
    {"d1", "d1", "pc-dimm", NULL},
    {"n0", "n0", "nvdimm", "nv"},
    {"0000:00:07.0/iv", "iv", "ivshmem-plain", "iv"},
    {"0000:00:08.0/vga.vram", NULL, NULL, NULL},
    {"", "p0", "virtio-pmem-pci", "pm"},
};

/* CANONICAL: backends with a file have "/objects/" before their id (d0 has
 * none), and the object tree tells the rest all the same. */
static char *
name_of(const char *block, const char *backend, bool canonical)
{
    bool file = backend && strcmp(backend, "d0") != 0;
    const char *at = file && canonical ? g_strrstr(block, backend) : NULL;
    return at && *block ? g_strdup_printf("%.*s/objects/%s",
                                          (int)(at - block), block, at)
                        : g_strdup(block);
}

static const QmpRamBlock *
find(const GArray *blocks, const char *name)
{
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (strcmp(block->name, name) == 0) {
            return block;
        }
    }
    g_error("QEMU has no block '%s'", name);
}

static void
tells(VmQemuVersion version, bool canonical)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .version = version,
        .machine = canonical ? "pc-i440fx-3.1,nvdimm=on" : "pc,nvdimm=on",
        .memory = {{.kind = VM_MEMORY_FILE, .mib = 32}},
        .kernel = "",
        .extra = devices};
    if (vm_qemu_skip(vm_qemu_why_not(version, false))) {
        return;
    }
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    g_autoptr(GArray) blocks =
        qmp_qemu_ram_blocks(vm_qemu_monitor(vm), &error);
    g_assert_no_error(error);
    unsigned with_backend = 0, wanted = 0;
    for (guint i = 0; i < blocks->len; i++) {
        with_backend += g_array_index(blocks, QmpRamBlock, i).backend != NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *name =
            name_of(expected[i].block, expected[i].backend, canonical);
        const QmpRamBlock *block = find(blocks, name);
        g_assert_cmpstr(block->backend, ==, expected[i].backend);
        g_assert_cmpstr(block->device, ==, expected[i].device);
        g_assert_cmpstr(block->device_id, ==, expected[i].id);
        g_assert_true(block->device_prealloc ==
                      (g_strcmp0(expected[i].id, "vmem") == 0));
        wanted += expected[i].backend != NULL;
    }
    /* What nobody uses is not there. */
    g_assert_cmpuint(with_backend, ==, wanted);
}

static void
test_names(gconstpointer version)
{
    tells((VmQemuVersion)GPOINTER_TO_INT(version), false);
}

static void
test_old_machine(gconstpointer version)
{
    tells((VmQemuVersion)GPOINTER_TO_INT(version), true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/devices/host", GINT_TO_POINTER(VM_QEMU_HOST),
                         test_names);
    g_test_add_data_func("/devices/10", GINT_TO_POINTER(VM_QEMU_10),
                         test_names);
    g_test_add_data_func("/devices/old-machine/host",
                         GINT_TO_POINTER(VM_QEMU_HOST), test_old_machine);
    g_test_add_data_func("/devices/old-machine/10",
                         GINT_TO_POINTER(VM_QEMU_10), test_old_machine);
    return g_test_run();
}
