/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices with memory that cannot be moved: shared with others, unknown to
 * QEMU's migration, private or preallocated. check says so, send and receive
 * refuse before anything moves, with a remedy that is possible for the device.
 */
#include "tests/support/vm-expect.h"

#define FILE_OF(ID, MORE)                                                      \
    "-object",                                                                 \
        "memory-backend-file,id=" ID ",size=32M,mem-path=/dev/shm," MORE
#define SLOTS "-m", "64M,slots=2,maxmem=1G"

typedef struct {
    const char *name;
    const char *const *extra;
    const char *reason;
    const char *remedy;
} Case;

static const char *const ivshmem[] = {
    FILE_OF("iv0", "share=on"), "-device", "ivshmem-plain,id=iv,memdev=iv0",
    NULL};
static const char *const pmem[] = {
    SLOTS, FILE_OF("p0", "share=on"), "-device",
    "virtio-pmem-pci,id=pm0,memdev=p0", NULL};
static const char *const dimm[] = {
    SLOTS, "-object", "memory-backend-ram,id=d0,size=32M", "-device",
    "pc-dimm,id=dimm0,memdev=d0", NULL};
static const char *const nvdimm[] = {
    SLOTS, FILE_OF("n0", "share=off"), "-device", "nvdimm,id=nv0,memdev=n0",
    NULL};
static const char *const virtio_mem[] = {
    SLOTS, FILE_OF("v0", "share=on"), "-device",
    "virtio-mem-pci,memdev=v0,prealloc=on", NULL};
static const char *const private_virtio_mem[] = {
    SLOTS, "-object", "memory-backend-ram,id=v0,size=32M", "-device",
    "virtio-mem-pci,id=vmem0,memdev=v0", NULL};

static const Case cases[] = {
    {"ivshmem-plain", ivshmem,
     "of ivshmem-plain 'iv' is shared with other processes on this host",
     "device_del iv"},
    {"virtio-pmem", pmem,
     "memory of virtio-pmem-pci 'pm0' (memory backend 'p0') is not part of "
     "QEMU's migration",
     "device_del pm0"},
    {"private-dimm", dimm, "'d0' (memory-backend-ram) is private memory",
     "device_del dimm0), or give it -object memory-backend-file,id=d0,"
     "share=on,align=2M,mem-path=/dev/shm,size=32M"},
    {"private-nvdimm", nvdimm, "'n0' (memory-backend-file) is private memory",
     "device_del nv0"},
    {"preallocated-virtio-mem", virtio_mem, "/v0' is preallocated",
     "prealloc=off for its -device virtio-mem-pci"},
    {"private-virtio-mem", private_virtio_mem, "is private memory",
     "device_del vmem0"},
};

typedef struct {
    const Case *kind;
    VmQemuVersion version;
} Run;

/* VM is as it was: STATE, and nothing of ours in it. */
static void
expect_refusal(VmQemu *vm, const char *verb, const char *state, const Case *c)
{
    g_autoptr(GError) error = NULL;
    vm_expect_refused(vm, verb, c->reason, c->remedy);
    vm_expect_state(vm, state);
    vm_look_is_released(vm, &error);
    g_assert_no_error(error);
    vm_look_is_capability_off(vm, "x-ignore-shared", &error);
    g_assert_no_error(error);
}

static void
test_refused(gconstpointer data)
{
    const Run *run = data;
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(run->version, false))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.version = run->version;
    options.machine = "pc,nvdimm=on";
    options.extra = run->kind->extra;
    options.kernel = "";
    options.append = NULL;
    g_autoptr(VmQemu) source = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_expect_check_refuses(source, run->kind->reason, run->kind->remedy);
    expect_refusal(source, "send", "running", run->kind);
    options.incoming = true;
    g_autoptr(VmQemu) destination = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    expect_refusal(destination, "receive", "inmigrate", run->kind);
}

int
main(int argc, char **argv)
{
    static Run runs[2 * G_N_ELEMENTS(cases)];
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        runs[i] = (Run){&cases[i / 2], i % 2 ? VM_QEMU_10 : VM_QEMU_HOST};
        g_autofree char *path =
            g_strdup_printf("/refused/%s/%s", runs[i].kind->name,
                            i % 2 ? "10" : "host");
        g_test_add_data_func(path, &runs[i], test_refused);
    }
    return g_test_run();
}
