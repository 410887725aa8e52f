/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A second process maps the guest's shared RAM, like a vhost-user back end.
 * --all-mappers makes its page tables huge as well; without it they are left
 * alone. Either way it reads the same memory as the guest.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-sweep.h"

#define RAM_MIB 160
#define RAM_BYTES ((uint64_t)RAM_MIB << 20)
#define FILLED_BYTES (UINT64_C(128) << 20)

/* This test is the second process. */
typedef struct {
    uint8_t *view;
    int fd;
} Mapper;

static VmQemu *
start(void)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .memory = {{.kind = VM_MEMORY_FILE, .mib = RAM_MIB}},
        .append = "mib=128 scan=1 stride=1024 report=50 slow=1000",
    };
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "ready ", 120000, &error);
    g_assert_no_error(error);
    return vm;
}

static int
open_ram_file(VmQemu *vm)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", vm_qemu_pid(vm));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    int fd = -1;
    while (fd < 0 && (name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        if (target && strstr(target, "/qemu_back_mem.m0.")) {
            fd = open(link, O_RDONLY | O_CLOEXEC);
        }
    }
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* A back end has touched what it works on: every page that holds data. */
static void
map_and_touch(Mapper *mapper, VmQemu *vm)
{
    mapper->fd = open_ram_file(vm);
    uint8_t *room = mmap(NULL, RAM_BYTES + EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(room != MAP_FAILED);
    uintptr_t aligned =
        range_units((uintptr_t)room, EXTENT_BYTES) * EXTENT_BYTES;
    mapper->view = mmap((void *)aligned, RAM_BYTES, PROT_READ,
                        MAP_SHARED | MAP_FIXED, mapper->fd, 0);
    g_assert_true(mapper->view != MAP_FAILED);
    volatile uint8_t sum = 0;
    for (off_t at = 0; (at = lseek(mapper->fd, at, SEEK_DATA)) >= 0;) {
        off_t hole = lseek(mapper->fd, at, SEEK_HOLE);
        for (; at < hole; at += PAGE_BYTES) {
            sum = (uint8_t)(sum + mapper->view[at]);
        }
    }
}

static uint64_t
own_huge_bytes(const Mapper *mapper)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) all = proc_maps_read(getpid(), true, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < all->len; i++) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        if (m->start == (uintptr_t)mapper->view) {
            return m->shmem_huge_bytes;
        }
    }
    g_error("the mapping is gone");
}

/* The guest stands still meanwhile; the file is what it has in its memory. */
static void
expect_same_memory(const Mapper *mapper, VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *extent = g_malloc(EXTENT_BYTES);
    vm_qemu_command(vm, "stop", NULL, &error);
    g_assert_no_error(error);
    for (uint64_t at = 0; at < RAM_BYTES; at += EXTENT_BYTES) {
        g_assert_cmpint(pread(mapper->fd, extent, EXTENT_BYTES, (off_t)at), ==,
                        EXTENT_BYTES);
        g_assert_cmpint(memcmp(extent, mapper->view + at, EXTENT_BYTES), ==,
                        0);
    }
    vm_qemu_command(vm, "cont", NULL, &error);
    g_assert_no_error(error);
}

static void
test_all_mappers(void)
{
    static const char *const alone[] = {"--fast", NULL};
    static const char *const all[] = {"--fast", "--all-mappers", NULL};
    static const char *const json[] = {"--all-mappers", "--json", NULL};
    g_autoptr(VmQemu) vm = start();
    if (!vm) {
        return;
    }
    Mapper mapper;
    map_and_touch(&mapper, vm);
    g_autoptr(VmTool) first = vm_sweep_start(vm, alone);
    vm_sweep_expect(first, 0, (const char *const[]){"(100.0%) now", NULL});
    g_assert_cmpuint(vm_sweep_huge_bytes(vm), >=, FILLED_BYTES);
    g_assert_cmpuint(own_huge_bytes(&mapper), ==, 0);

    g_autofree char *line = g_strdup_printf("mapper      process %d (vm-coll",
                                            getpid());
    g_autoptr(VmTool) second = vm_sweep_start(vm, all);
    vm_sweep_expect(second, 0, (const char *const[]){line, NULL});
    g_autofree char *said = vm_tool_stdout(second);
    g_test_message("%s", said);
    g_assert_cmpuint(own_huge_bytes(&mapper), >=, FILLED_BYTES);
    expect_same_memory(&mapper, vm);
    vm_expect_beats(vm);

    g_autoptr(VmTool) third = vm_sweep_start(vm, json);
    vm_sweep_expect(third, 0, (const char *const[]){"\"mappers\"", NULL});
    g_autoptr(JsonNode) report = vm_sweep_report(third);
    g_assert_cmpfloat(vm_expect_number(report, "$.mappers[0].pid"), ==,
                      getpid());
    g_assert_cmpfloat(vm_expect_number(report, "$.mappers[0].huge_bytes"), ==,
                      vm_expect_number(report, "$.after.huge_bytes"));
    munmap(mapper.view, RAM_BYTES);
    close(mapper.fd);
}

/* In one run: what was small in both is huge in both. */
static void
test_in_one_go(void)
{
    /* With pauses a busy host has no time for all of it within our patience:
     * each may be two seconds. */
    static const char *const all[] = {"--all-mappers", "--fast", NULL};
    g_autoptr(VmQemu) vm = start();
    if (!vm) {
        return;
    }
    Mapper mapper;
    map_and_touch(&mapper, vm);
    g_autoptr(VmTool) tool = vm_sweep_start(vm, all);
    vm_sweep_expect(tool, 0, (const char *const[]){"(100.0%) now", NULL});
    g_assert_cmpuint(vm_sweep_huge_bytes(vm), >=, FILLED_BYTES);
    g_assert_cmpuint(own_huge_bytes(&mapper), >=, FILLED_BYTES);
    expect_same_memory(&mapper, vm);
    vm_expect_beats(vm);
    munmap(mapper.view, RAM_BYTES);
    close(mapper.fd);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-reaches/all-mappers", test_all_mappers);
    g_test_add_func("/collapse-reaches/in-one-go", test_in_one_go);
    return g_test_run();
}
