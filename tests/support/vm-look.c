/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/PID of a QEMU, read as root or as its owner.
 */
#include "tests/support/vm-look.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "qmp/qmp-qemu.h"

/* Guest RAM is the mapping as large as the backend; a file's has its inode. */
static bool
is_backend(const ProcMapping *mapping, const VmMemory *memory)
{
    bool file = memory->kind != VM_MEMORY_RAM;
    return mapping->writable && (mapping->inode != 0) == file &&
           mapping->end - mapping->start == (uint64_t)memory->mib << 20;
}

static bool
is_ram(const ProcMapping *mapping, const VmQemuOptions *options)
{
    for (int i = 0; i < VM_QEMU_MAX_MEMORY && options->memory[i].mib; i++) {
        if (is_backend(mapping, &options->memory[i])) {
            return true;
        }
    }
    return false;
}

GArray *
vm_look_ram(const VmQemu *vm, GError **error)
{
    static const VmQemuOptions ordinary = {
        .memory = {{.kind = VM_MEMORY_RAM, .mib = VM_QEMU_ORDINARY_MIB}}};
    const VmQemuOptions *options = vm_qemu_options(vm);
    options = options->memory[0].mib ? options : &ordinary;
    g_autoptr(GArray) all = proc_maps_read(vm_qemu_pid(vm), true, error);
    if (!all) {
        return NULL;
    }
    guint expected = 0;
    while (expected < VM_QEMU_MAX_MEMORY && options->memory[expected].mib) {
        expected++;
    }
    for (guint i = all->len; i-- > 0;) {
        if (!is_ram(&g_array_index(all, ProcMapping, i), options)) {
            g_array_remove_index(all, i);
        }
    }
    if (all->len < expected) {
        error_set(error, ERROR_STATE,
                  "QEMU %d has %u memory backends but %u mappings like them",
                  vm_qemu_pid(vm), expected, all->len);
        return NULL;
    }
    return g_steal_pointer(&all);
}

void
vm_look_huge_of(const GArray *ram, uint64_t *huge_bytes, uint64_t *rss_bytes)
{
    *huge_bytes = 0;
    *rss_bytes = 0;
    for (guint i = 0; i < ram->len; i++) {
        const ProcMapping *m = &g_array_index(ram, ProcMapping, i);
        *huge_bytes += m->anon_huge_bytes + m->shmem_huge_bytes +
                       m->file_huge_bytes;
        *rss_bytes += m->rss_bytes;
    }
}

bool
vm_look_huge(const VmQemu *vm, uint64_t *huge_bytes, uint64_t *rss_bytes,
             GError **error)
{
    g_autoptr(GArray) ram = vm_look_ram(vm, error);
    if (ram) {
        vm_look_huge_of(ram, huge_bytes, rss_bytes);
    }
    return ram != NULL;
}

static int
userfaultfds(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir) {
        return -1;
    }
    int n = 0;
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        n += target && strcmp(target, "anon_inode:[userfaultfd]") == 0;
    }
    return n;
}

int
vm_look_userfaultfds(const VmQemu *vm)
{
    return userfaultfds(vm_qemu_pid(vm));
}

bool
vm_look_is_released_of(const GArray *ram, pid_t pid, GError **error)
{
    int n = userfaultfds(pid);
    if (n != 0) {
        return error_set(error, ERROR_STATE,
                         "QEMU %d holds %d userfaultfds (-1: unknown), not 0",
                         pid, n);
    }
    for (guint i = 0; i < ram->len; i++) {
        const ProcMapping *m = &g_array_index(ram, ProcMapping, i);
        if (proc_mapping_has_flag(m, "um") || proc_mapping_has_flag(m, "uw") ||
            proc_mapping_has_flag(m, "ui")) {
            return error_set(error, ERROR_STATE,
                             "RAM of QEMU %d is still registered with a "
                             "userfaultfd: VmFlags %s", pid, m->vm_flags);
        }
    }
    return true;
}

bool
vm_look_is_released(const VmQemu *vm, GError **error)
{
    g_autoptr(GArray) ram = vm_look_ram(vm, error);
    return ram && vm_look_is_released_of(ram, vm_qemu_pid(vm), error);
}

bool
vm_look_is_only_mapper_of(const GArray *ram, pid_t pid, GError **error)
{
    for (guint i = 0; i < ram->len; i++) {
        const ProcMapping *m = &g_array_index(ram, ProcMapping, i);
        if (m->inode == 0) {
            continue;
        }
        g_autoptr(GArray) others = proc_maps_find_mappers(
            m->dev_major, m->dev_minor, m->inode, pid);
        if (others->len != 0) {
            return error_set(error, ERROR_STATE,
                             "process %d also maps the RAM file %s of QEMU %d",
                             g_array_index(others, pid_t, 0), m->path, pid);
        }
    }
    return true;
}

bool
vm_look_is_only_mapper(const VmQemu *vm, GError **error)
{
    g_autoptr(GArray) ram = vm_look_ram(vm, error);
    return ram && vm_look_is_only_mapper_of(ram, vm_qemu_pid(vm), error);
}

bool
vm_look_is_capability_off(VmQemu *vm, const char *name, GError **error)
{
    bool on;
    if (!qmp_qemu_get_capability(vm_qemu_monitor(vm), name, &on, error)) {
        return false;
    }
    return !on || error_set(error, ERROR_STATE,
                            "the capability %s of QEMU %d is still on", name,
                            vm_qemu_pid(vm));
}
