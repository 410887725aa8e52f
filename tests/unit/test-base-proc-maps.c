/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc's texts, as kernels 6.1 and 6.18 write them, and as nobody should.
 */
#include "base/proc-maps.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* Linux 6.1: no KSM line, no THP of file pages. */
static const char smaps_6_1[] =
    "7f0e80000000-7f0ec0000000 rw-s 00000000 00:1a 5                          "
    "/dev/shm/qemu_back_mem.ram0.Gq3xUW (deleted)\n"
    "Size:            1048576 kB\n"
    "KernelPageSize:        4 kB\n"
    "Rss:              524288 kB\n"
    "AnonHugePages:         0 kB\n"
    "ShmemPmdMapped:   522240 kB\n"
    "FilePmdMapped:         0 kB\n"
    "THPeligible:    0\n"
    "VmFlags: rd wr sh mr mw me ms sd hg um \n"
    "7ffc3d1f2000-7ffc3d213000 rw-p 00000000 00:00 0                          "
    "[stack]\n"
    "Rss:                  12 kB\n"
    "VmFlags: rd wr mr mw me gd ac \n";

/* Linux 6.18: more fields, wider THPeligible, protection key. */
static const char smaps_6_18[] =
    "7f3a40000000-7f3a80000000 rw-s 40000000 00:1c 1031                       "
    "/memfd:memory-backend-memfd (deleted)\n"
    "Size:            1048576 kB\n"
    "Rss:             1048576 kB\n"
    "Pss_Dirty:             0 kB\n"
    "KSM:                   0 kB\n"
    "LazyFree:              0 kB\n"
    "AnonHugePages:      2048 kB\n"
    "ShmemPmdMapped:  1048576 kB\n"
    "FilePmdMapped:      4096 kB\n"
    "THPeligible:           1\n"
    "ProtectionKey:         0\n"
    "VmFlags: rd wr sh mr mw me ms nh uw um \n";

static void
lines(void)
{
    ProcMapping m;
    g_assert_true(proc_maps_parse_line(
        "7f00deadb000-7f00deadd000 r-xp 00001000 fd:01 1835091 "
        "/opt/two words/lib  x.so (deleted)",
        &m));
    g_assert_cmphex(m.start, ==, 0x7f00deadb000);
    g_assert_cmphex(m.end, ==, 0x7f00deadd000);
    g_assert_cmphex(m.offset, ==, 0x1000);
    g_assert_cmpuint(m.dev_major, ==, 0xfd);
    g_assert_cmpuint(m.dev_minor, ==, 1);
    g_assert_cmpuint(m.inode, ==, 1835091);
    g_assert_true(m.readable && !m.writable && m.executable && !m.shared);
    g_assert_cmpstr(m.path, ==, "/opt/two words/lib  x.so (deleted)");
    proc_mapping_clear(&m);
    g_assert_true(proc_maps_parse_line(
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0", &m));
    g_assert_cmpstr(m.path, ==, "");
    g_assert_cmpuint(m.inode, ==, 0);
    proc_mapping_clear(&m);
    proc_mapping_clear(&m);
}

static void
no_lines(void)
{
    static const char *const bad[] = {
        "", " ", "garbage", "Rss:  12 kB", "VmFlags: rd wr", "7f00-7f00",
        "7f00deadb000-7f00deadb000 r-xp 00000000 00:00 0", /* empty */
        "7f00deadd000-7f00deadb000 r-xp 00000000 00:00 0", /* backwards */
        "7f00deadb000-7f00deadd000 rx 00000000 00:00 0",
        "7f00deadb000-7f00deadd000 r-xp 00000000 00 0",
        "7f00deadb000-7f00deadd000 r-xp 00000000 00:00 ",
        "g000-h000 rw-p 0 0:0 0 /x",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        ProcMapping m = {.inode = 4711};
        g_assert_false(proc_maps_parse_line(bad[i], &m));
        g_assert_cmpuint(m.inode, ==, 4711);
    }
}

static void
smaps(void)
{
    g_autoptr(GArray) old = proc_maps_parse(smaps_6_1);
    g_autoptr(GArray) new = proc_maps_parse(smaps_6_18);
    g_assert_cmpuint(old->len, ==, 2);
    const ProcMapping *m = &g_array_index(old, ProcMapping, 0);
    g_assert_cmpuint(m->rss_bytes, ==, 524288u * 1024);
    g_assert_cmpuint(m->shmem_huge_bytes, ==, 522240u * 1024);
    g_assert_false(m->thp_eligible);
    g_assert_true(m->shared);
    g_assert_cmpstr(m->vm_flags, ==, "rd wr sh mr mw me ms sd hg um");
    g_assert_true(proc_mapping_has_flag(m, "um"));
    g_assert_true(proc_mapping_has_flag(m, "rd"));
    g_assert_false(proc_mapping_has_flag(m, "nh"));
    g_assert_false(proc_mapping_has_flag(m, "d"));
    g_assert_cmpstr(g_array_index(old, ProcMapping, 1).path, ==, "[stack]");
    g_assert_cmpuint(g_array_index(old, ProcMapping, 1).rss_bytes, ==, 12288);
    g_assert_cmpuint(new->len, ==, 1);
    m = &g_array_index(new, ProcMapping, 0);
    g_assert_cmphex(m->offset, ==, 0x40000000);
    g_assert_cmpuint(m->anon_huge_bytes, ==, 2048u * 1024);
    g_assert_cmpuint(m->file_huge_bytes, ==, 4096u * 1024);
    g_assert_true(m->thp_eligible);
    g_assert_true(proc_mapping_has_flag(m, "nh"));
}

/* Numbers that fit nowhere, fields before any mapping, flags without end. */
static void
excess(void)
{
    g_autofree char *flags = g_strnfill(4000, 'x');
    g_autofree char *text = g_strdup_printf(
        "Rss: 1 kB\nVmFlags: rd\n"
        "1000-2000 rw-s 0 0:0 99999999999999999999999999 /x\n"
        "Rss: 99999999999999999999999999 kB\n"
        "AnonHugePages: -1 kB\nShmemPmdMapped:\nTHPeligible: 2\n"
        "VmFlags: %s\n",
        flags);
    g_autoptr(GArray) all = proc_maps_parse(text);
    g_assert_cmpuint(all->len, ==, 1);
    const ProcMapping *m = &g_array_index(all, ProcMapping, 0);
    g_assert_cmpuint(m->rss_bytes, ==, UINT64_MAX);
    g_assert_cmpuint(m->shmem_huge_bytes, ==, 0);
    g_assert_cmpuint(strlen(m->vm_flags), <, sizeof m->vm_flags);
}

/* Every cut of a real text, and bytes at random in it: no crash, and never
 * more mappings than lines. */
static void
mutations(void)
{
    GRand *rand = g_rand_new_with_seed(99);
    size_t length = strlen(smaps_6_18);
    for (unsigned round = 0; round < 20000; round++) {
        g_autofree char *text = g_strdup(smaps_6_18);
        text[round % length] = '\0';
        for (unsigned i = g_rand_int(rand) % 8; i > 0; i--) {
            text[g_rand_int(rand) % length] = (char)g_rand_int(rand);
        }
        g_autoptr(GArray) all = proc_maps_parse(text);
        g_assert_cmpuint(all->len, <=, 13);
        g_autofree char *cgroup = proc_cgroup_parse(text, "memory");
    }
    g_rand_free(rand);
}

static void
cgroups(void)
{
    static const char v1[] = "12:pids:/a\n9:memory:/machine/qemu-1\n"
                             "4:cpu,cpuacct:/slow\n1:name=systemd:/init\n"
                             "0::/unified\n";
    static const char *const no_cgroup[] = {"", "\n", "0", "0:", "memory",
                                            "9:memor:/x", "9:memoryx:/x",
                                            "9:x,memor:/x"};
    g_autofree char *memory = proc_cgroup_parse(v1, "memory");
    g_autofree char *cpuacct = proc_cgroup_parse(v1, "cpuacct");
    g_autofree char *unified = proc_cgroup_parse(v1, "");
    g_autofree char *v2 = proc_cgroup_parse(
        "0::/machine.slice/machine-qemu\\x2d1.scope/a:b\n", "");
    g_assert_cmpstr(memory, ==, "/machine/qemu-1");
    g_assert_cmpstr(cpuacct, ==, "/slow");
    g_assert_cmpstr(unified, ==, "/unified");
    g_assert_cmpstr(v2, ==, "/machine.slice/machine-qemu\\x2d1.scope/a:b");
    for (unsigned i = 0; i < G_N_ELEMENTS(no_cgroup); i++) {
        g_assert_null(proc_cgroup_parse(no_cgroup[i], "memory"));
    }
    /* An empty name in a list of names is not the unified hierarchy. */
    g_assert_null(proc_cgroup_parse("3:cpu,:/slow\n2:,:/b\n", ""));
}

static void
ourselves(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) all = proc_maps_read(getpid(), true, &error);
    g_assert_no_error(error);
    bool has_stack = false;
    for (guint i = 0; i < all->len; i++) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        bool us = (uintptr_t)&error >= m->start && (uintptr_t)&error < m->end;
        has_stack |= us && m->writable && m->rss_bytes > 0 &&
                     proc_mapping_has_flag(m, "rd");
    }
    g_assert_true(has_stack);
    g_autofree char *cgroup = proc_cgroup_read(getpid(), "no such controller");
    g_assert_null(cgroup);
}

static void
a_process_that_is_gone(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_autoptr(GError) error = NULL;
    g_assert_null(proc_maps_read(pid, false, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

static void
who_maps_a_file(void)
{
    autofd file = memfd_create("mapped", MFD_CLOEXEC);
    struct stat st;
    g_assert_no_errno(ftruncate(file, 4096));
    g_assert_no_errno(fstat(file, &st));
    void *view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    g_assert_true(view != MAP_FAILED);
    g_autoptr(GArray) us = proc_maps_find_mappers(
        major(st.st_dev), minor(st.st_dev), st.st_ino, 0);
    g_autoptr(GArray) others = proc_maps_find_mappers(
        major(st.st_dev), minor(st.st_dev), st.st_ino, getpid());
    g_assert_cmpuint(us->len, ==, 1);
    g_assert_cmpint(g_array_index(us, pid_t, 0), ==, getpid());
    g_assert_cmpuint(others->len, ==, 0);
    munmap(view, 4096);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc-maps/lines", lines);
    g_test_add_func("/proc-maps/no-lines", no_lines);
    g_test_add_func("/proc-maps/smaps", smaps);
    g_test_add_func("/proc-maps/excess", excess);
    g_test_add_func("/proc-maps/mutations", mutations);
    g_test_add_func("/proc-maps/cgroups", cgroups);
    g_test_add_func("/proc-maps/ourselves", ourselves);
    g_test_add_func("/proc-maps/gone", a_process_that_is_gone);
    g_test_add_func("/proc-maps/mappers", who_maps_a_file);
    return g_test_run();
}
