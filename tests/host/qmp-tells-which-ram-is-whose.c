/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Real QEMUs with every kind of RAM: each block has its backend, kind, path
 * and flags, and from 8.0 on the address at which QEMU really maps it. Also
 * devices: found where -device, device_add, -object and -netdev put them.
 */
#include <string.h>

#include "base/error.h"
#include "base/proc-maps.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/vm-qemu.h"

#define MIB (UINT64_C(1) << 20)
/* Where a backend makes its file; no tmpfs is needed to look at it. */
#define FILES "/dev/shm"

static VmQemu *
start(gconstpointer version, VmQemuOptions options)
{
    g_autoptr(GError) error = NULL;
    options.version = GPOINTER_TO_INT(version);
    options.kernel = "";
    g_autofree char *why_not = vm_qemu_why_not(options.version, false);
    if (why_not) {
        if (g_getenv("TESTS_MUST_RUN")) {
            g_test_fail_printf("%s", why_not);
        } else {
            g_test_skip(why_not);
        }
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

static GArray *
ask(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    GArray *blocks = qmp_qemu_ram_blocks(vm_qemu_monitor(vm), &error);
    g_assert_no_error(error);
    return blocks;
}

/* The block NAME, or NULL; its address, if it has one, must be mapped. */
static const QmpRamBlock *
find(VmQemu *vm, const GArray *blocks, const char *name)
{
    int major, minor, micro;
    qmp_client_version(vm_qemu_monitor(vm), &major, &minor, &micro);
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (strcmp(block->name, name) != 0) {
            continue;
        }
        g_assert_cmpint(block->hva != 0, ==, major >= 8);
        g_autoptr(GArray) maps = proc_maps_read(vm_qemu_pid(vm), false, NULL);
        for (guint m = 0; block->hva && m < maps->len; m++) {
            ProcMapping *map = &g_array_index(maps, ProcMapping, m);
            if (map->start == block->hva) {
                g_assert_cmpint(map->shared, ==, block->share);
                return block;
            }
        }
        g_assert_cmpuint(block->hva, ==, 0);
        return block;
    }
    return NULL;
}

static void
test_two_backends_as_numa_nodes(gconstpointer version)
{
    VmQemuOptions options = {
        .memory = {{.kind = VM_MEMORY_FILE, .mib = 64},
                   {.kind = VM_MEMORY_MEMFD, .mib = 32}}};
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    g_autoptr(GArray) blocks = ask(vm);
    const QmpRamBlock *file = find(vm, blocks, "m0");
    const QmpRamBlock *memfd = find(vm, blocks, "m1");
    g_assert_true(file && memfd);
    g_assert_cmpstr(file->kind, ==, "memory-backend-file");
    g_assert_cmpstr(file->backend, ==, "m0");
    g_assert_cmpstr(file->path, ==, FILES);
    g_assert_cmpuint(file->bytes, ==, 64 * MIB);
    g_assert_cmpuint(file->align, ==, 2 * MIB);
    g_assert_true(file->share && !file->prealloc);
    g_assert_cmpstr(memfd->kind, ==, "memory-backend-memfd");
    g_assert_null(memfd->path);
    g_assert_cmpuint(memfd->bytes, ==, 32 * MIB);
    g_assert_true(memfd->share);
    const QmpRamBlock *bios = find(vm, blocks, "pc.bios");
    g_assert_nonnull(bios);
    g_assert_null(bios->backend);
}

static void
test_a_private_preallocated_file(gconstpointer version)
{
    VmQemuOptions options = {.memory = {{.kind = VM_MEMORY_FILE,
                                         .mib = 16,
                                         .private = true,
                                         .prealloc = true,
                                         .unaligned = true}}};
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    g_autoptr(GArray) blocks = ask(vm);
    const QmpRamBlock *block = find(vm, blocks, "m0");
    g_assert_nonnull(block);
    g_assert_true(!block->share && block->prealloc);
    g_assert_cmpuint(block->align, ==, 0);
}

static void
test_plain_memory_has_a_backend_too(gconstpointer version)
{
    VmQemuOptions options = {0};
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    g_autoptr(GArray) blocks = ask(vm);
    const QmpRamBlock *block = find(vm, blocks, "pc.ram");
    g_assert_nonnull(block);
    g_assert_cmpstr(block->backend, ==, "pc.ram");
    g_assert_cmpstr(block->kind, ==, "memory-backend-ram");
    g_assert_true(!block->share && !block->prealloc);
}

static void
test_old_machines_name_blocks_by_path(gconstpointer version)
{
    VmQemuOptions options = {
        .machine = "pc-i440fx-3.1",
        .memory = {{.kind = VM_MEMORY_MEMFD, .mib = 16}}};
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    g_autoptr(GArray) blocks = ask(vm);
    const QmpRamBlock *block = find(vm, blocks, "/objects/m0");
    g_assert_nonnull(block);
    g_assert_cmpstr(block->backend, ==, "m0");
}

static void
test_hot_plugged_memory_appears_with_its_device(gconstpointer version)
{
    static const char *const extra[] = {"-m", "32M,slots=2,maxmem=1G", NULL};
    VmQemuOptions options = {.memory = {{.kind = VM_MEMORY_MEMFD, .mib = 32}},
                             .extra = extra};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    g_assert_true(vm_qemu_command(
        vm, "object-add",
        "{\"qom-type\": \"memory-backend-file\", \"id\": \"dimm\", "
        "\"size\": 134217728, \"mem-path\": \"" FILES "\", \"share\": true}",
        &error));
    g_autoptr(GArray) before = ask(vm);
    g_assert_null(find(vm, before, "dimm"));
    g_assert_true(vm_qemu_command(
        vm, "device_add", "{\"driver\": \"pc-dimm\", \"memdev\": \"dimm\"}",
        &error));
    g_autoptr(GArray) after = ask(vm);
    const QmpRamBlock *block = find(vm, after, "dimm");
    g_assert_nonnull(block);
    g_assert_cmpuint(block->bytes, ==, 128 * MIB);
    g_assert_cmpstr(block->path, ==, FILES);
    g_assert_true(block->share);
}

static void
assert_device(VmQemu *vm, const char *prefix, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;
    const char *const prefixes[] = {"vfio-", prefix, NULL};
    bool any = qmp_qemu_find_device(vm_qemu_monitor(vm), prefixes, &found,
                                    &error);
    g_assert_no_error(error);
    g_assert_cmpint(any, ==, expected != NULL);
    g_assert_cmpstr(found, ==, expected);
}

static void
test_devices_are_found_wherever_they_are(gconstpointer version)
{
    static const char *const extra[] = {
        "-netdev", "socket,udp=127.0.0.1:9,localaddr=127.0.0.1:0,id=n0",
        "-device", "virtio-net-pci,netdev=n0,id=nic",
        "-device", "virtio-rng-pci", NULL};
    VmQemuOptions options = {.memory = {{.kind = VM_MEMORY_MEMFD, .mib = 16}},
                             .extra = extra};
    g_autoptr(VmQemu) vm = start(version, options);
    if (!vm) {
        return;
    }
    assert_device(vm, "virtio-net-", "virtio-net-pci");
    assert_device(vm, "virtio-rng-", "virtio-rng-pci");
    assert_device(vm, "memory-backend-memfd", "memory-backend-memfd");
    assert_device(vm, "socket-", "socket-netdev");
    assert_device(vm, "i8042", "i8042");
    assert_device(vm, "vhost-user-", NULL);
}

static void
add(const char *name, GTestDataFunc test)
{
    g_autofree char *host = g_strdup_printf("/qmp/ram/%s/host", name);
    g_autofree char *ten = g_strdup_printf("/qmp/ram/%s/10", name);
    g_test_add_data_func(host, GINT_TO_POINTER(VM_QEMU_HOST), test);
    g_test_add_data_func(ten, GINT_TO_POINTER(VM_QEMU_10), test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("two-backends", test_two_backends_as_numa_nodes);
    add("private-file", test_a_private_preallocated_file);
    add("plain", test_plain_memory_has_a_backend_too);
    add("old-machine", test_old_machines_name_blocks_by_path);
    add("hot-plug", test_hot_plugged_memory_appears_with_its_device);
    add("devices", test_devices_are_found_wherever_they_are);
    return g_test_run();
}
