/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's command line. Everything that is part of the guest's hardware follows
 * from the options alone, so that two QEMUs of one set of options are a pair
 * that can migrate.
 */
#include "tests/support/vm-qemu-args.h"

#include <string.h>

#define LIBRARIES "usr/lib/x86_64-linux-gnu"
#define DEFAULT_UUID "7d0a2f4e-5b0c-4d3e-9f1a-60737f6c7564"

static void G_GNUC_PRINTF(2, 3)
add(GPtrArray *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_ptr_array_add(args, g_strdup_vprintf(format, list));
    va_end(list);
}

const char *
vm_qemu_root10(void)
{
    const char *root = g_getenv("POSTLUDE_QEMU10_ROOT");
    return root && *root ? root : "/opt/postlude-trixie";
}

static void
add_program(GPtrArray *args, VmQemuVersion version)
{
    const char *root = vm_qemu_root10();
    if (version == VM_QEMU_HOST) {
        const char *program = g_getenv("POSTLUDE_QEMU");
        add(args, "%s", program ? program : "qemu-system-x86_64");
        return;
    }
    add(args, "%s/lib64/ld-linux-x86-64.so.2", root);
    add(args, "--library-path");
    add(args, "%s/%s", root, LIBRARIES);
    add(args, "%s/usr/bin/qemu-system-x86_64", root);
    add(args, "-L");
    add(args, "%s/usr/share/qemu", root);
    add(args, "-L");
    add(args, "%s/usr/share/seabios", root);
}

char **
vm_qemu_environment(const VmQemuOptions *options)
{
    char **environment = NULL;
    if (options->version == VM_QEMU_10) {
        /* Debian 13 ships accelerators and devices as modules. */
        g_autofree char *modules = g_strdup_printf("%s/%s/qemu",
                                                   vm_qemu_root10(), LIBRARIES);
        environment = g_environ_setenv(environment, "QEMU_MODULE_DIR", modules,
                                       TRUE);
    }
    return environment ? environment : g_new0(char *, 1);
}

static char *
backend(const VmMemory *memory, unsigned index)
{
    g_autoptr(GString) s = g_string_new(NULL);
    switch (memory->kind) {
    case VM_MEMORY_FILE:
        g_string_printf(s, "memory-backend-file,mem-path=%s%s",
                        memory->path ? memory->path : "/dev/shm",
                        memory->unaligned ? "" : ",align=2M");
        break;
    case VM_MEMORY_MEMFD:
        g_string_assign(s, "memory-backend-memfd");
        if (memory->hugetlb_bytes) {
            g_string_append_printf(
                s, ",hugetlb=on,hugetlbsize=%" G_GUINT64_FORMAT,
                memory->hugetlb_bytes);
        }
        break;
    case VM_MEMORY_RAM:
        g_string_assign(s, "memory-backend-ram");
        break;
    }
    bool share = !memory->private && memory->kind != VM_MEMORY_RAM;
    g_string_append_printf(s, ",id=m%u,size=%uM,share=%s%s", index,
                           memory->mib, share ? "on" : "off",
                           memory->prealloc ? ",prealloc=on" : "");
    return g_strdup(s->str);
}

static void
add_memory(GPtrArray *args, const VmQemuOptions *options)
{
    unsigned mib = 0;
    unsigned n = 0;
    for (; n < VM_QEMU_MAX_MEMORY && options->memory[n].mib; n++) {
        g_autofree char *object = backend(&options->memory[n], n);
        add(args, "-object");
        add(args, "%s", object);
        mib += options->memory[n].mib;
    }
    for (unsigned i = 0; n > 1 && i < n; i++) {
        add(args, "-numa");
        add(args, "node,nodeid=%u,memdev=m%u", i, i);
    }
    add(args, "-machine");
    add(args, "%s%s", options->machine ? options->machine : "pc",
        n == 1 ? ",memory-backend=m0" : "");
    add(args, "-m");
    add(args, "%uM", n ? mib : VM_QEMU_ORDINARY_MIB);
}

static void
add_kernel(GPtrArray *args, const VmQemuOptions *options)
{
    const char *kernel = options->kernel ? options->kernel : vm_qemu_witness();
    const struct {
        const char *name, *value;
    } pairs[] = {{"-kernel", kernel},
                 {"-initrd", options->initrd},
                 {"-append", options->append}};
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        if (pairs[i].value && *pairs[i].value) {
            add(args, "%s", pairs[i].name);
            add(args, "%s", pairs[i].value);
        }
    }
}

static void
add_monitor(GPtrArray *args, const char *directory, const char *file)
{
    add(args, "-chardev");
    add(args, "socket,id=%s,path=%s/%s,server=on,wait=off", file, directory,
        file);
    add(args, "-mon");
    add(args, "chardev=%s,mode=control", file);
}

GPtrArray *
vm_qemu_args(const VmQemuOptions *options, const char *directory)
{
    GPtrArray *args = g_ptr_array_new_with_free_func(g_free);
    add_program(args, options->version);
    add(args, "-nodefaults");
    add(args, "-no-user-config");
    add(args, "-display");
    add(args, "none");
    add(args, "-name");
    add(args, "%s", options->name ? options->name : "guest");
    add(args, "-uuid");
    add(args, "%s", options->uuid ? options->uuid : DEFAULT_UUID);
    add(args, "-accel");
    add(args, "%s", options->kvm ? "kvm" : "tcg");
    add(args, "-smp");
    add(args, "%u", options->vcpus ? options->vcpus : 1);
    add_memory(args, options);
    add_kernel(args, options);
    add(args, "-serial");
    add(args, "file:%s/%s", directory, VM_QEMU_SERIAL);
    add_monitor(args, directory, VM_QEMU_TOOL_SOCKET);
    add_monitor(args, directory, VM_QEMU_TEST_SOCKET);
    if (!options->no_sandbox) {
        add(args, "-sandbox");
        add(args, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
                  "resourcecontrol=deny");
    }
    if (options->incoming) {
        add(args, "-incoming");
        add(args, "defer");
    }
    for (const char *const *extra = options->extra; extra && *extra; extra++) {
        add(args, "%s", *extra);
    }
    g_ptr_array_add(args, NULL);
    return args;
}

char *
vm_qemu_command_line(const VmQemuOptions *options)
{
    g_autoptr(GPtrArray) args = vm_qemu_args(options, "DIR");
    return g_strjoinv(" ", (char **)args->pdata);
}
