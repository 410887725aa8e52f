/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM that postlude cannot guard is refused by both verbs and by check, with
 * the reason and the remedy, before anything has been touched.
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "tests/support/vm-expect.h"

typedef struct {
    const char *name;
    VmQemuVersion version;
    VmMemory memory; /* mib 0: plain -m */
    bool on_disk;    /* path is filled in */
    const char *reason;
    const char *remedy;
} Case;

#define FILE_BACKEND "-object memory-backend-file,id="

static const Case cases[] = {
    {"plain-m", VM_QEMU_HOST, {0}, false, "memory", FILE_BACKEND},
    {"memory-backend-ram", VM_QEMU_HOST, {.kind = VM_MEMORY_RAM, .mib = 64},
     false, "is private memory of QEMU", FILE_BACKEND},
    {"file-share-off", VM_QEMU_HOST,
     {.kind = VM_MEMORY_FILE, .mib = 64, .private = true}, false,
     "is private memory of QEMU", FILE_BACKEND},
    {"memfd-share-off", VM_QEMU_HOST,
     {.kind = VM_MEMORY_MEMFD, .mib = 64, .private = true}, false,
     "is private memory of QEMU", FILE_BACKEND},
    {"memfd-qemu10", VM_QEMU_10, {.kind = VM_MEMORY_MEMFD, .mib = 64}, false,
     "is a memfd, which QEMU from 8.1 on would send itself", FILE_BACKEND},
    {"prealloc", VM_QEMU_HOST,
     {.kind = VM_MEMORY_FILE, .mib = 64, .prealloc = true}, false,
     "is preallocated", "prealloc=off"},
    {"on-disk", VM_QEMU_HOST, {.kind = VM_MEMORY_FILE, .mib = 64}, true,
     "a disk file system (not tmpfs)", "mem-path=/dev/shm"},
};

/* A directory that is on no tmpfs; NULL if there is none. */
static const char *
disk_directory(void)
{
    static const char *const places[] = {"/var/tmp", "/var/lib", "/root"};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        struct statfs fs;
        if (statfs(places[i], &fs) == 0 && fs.f_type != TMPFS_MAGIC &&
            fs.f_type != RAMFS_MAGIC) {
            return places[i];
        }
    }
    return NULL;
}

static bool
prepare(const Case *c, VmQemuOptions *options)
{
    *options = vm_expect_options(64);
    options->version = c->version;
    options->memory[0] = c->memory;
    if (c->on_disk && !(options->memory[0].path = disk_directory())) {
        return !vm_qemu_skip(g_strdup("no directory here lies on a disk"));
    }
    return !vm_qemu_skip(vm_qemu_why_not(c->version, false));
}

static void
test_refused(gconstpointer data)
{
    const Case *c = data;
    VmQemuOptions options;
    if (!prepare(c, &options)) {
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) source = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(source, "ready ", 60000, &error);
    g_assert_no_error(error);
    vm_expect_refused(source, "send", c->reason, c->remedy);
    vm_expect_check_refuses(source, c->reason, c->remedy);
    vm_expect_runs(source);

    options.incoming = true;
    g_autoptr(VmQemu) destination = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_expect_refused(destination, "receive", c->reason, c->remedy);
    vm_expect_state(destination, "inmigrate");
    vm_look_is_released(destination, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/what-cannot-be-safe-is-refused/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_refused);
    }
    return g_test_run();
}
