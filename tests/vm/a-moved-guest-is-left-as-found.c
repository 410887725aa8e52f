/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The end of a good migration, seen from outside: the destination's QEMU alone
 * maps its RAM, all of it in huge pages; neither QEMU holds a descriptor of
 * ours; and capabilities and parameters are what the operator had set.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/range.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/vm-expect.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56)

typedef struct {
    VmQemuVersion version;
    bool kvm;
    bool two_nodes;
} Case;

static const Case cases[] = {
    {VM_QEMU_HOST, false, false},
    {VM_QEMU_10, false, true},
    {VM_QEMU_HOST, true, true},
};

static const char *const capabilities[] = {
    "events", "return-path", "pause-before-switchover", "x-ignore-shared",
    "postcopy-ram", "multifd", "auto-converge", "xbzrle", "release-ram",
};

static void
assert_exclusive(const VmQemu *vm, const ProcMapping *m)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/pagemap", vm_qemu_pid(vm));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    uint64_t present = 0;
    for (uint64_t at = m->start; at < m->end; at += PAGE_BYTES) {
        uint64_t entry = 0;
        g_assert_cmpint(pread(fd, &entry, sizeof entry,
                              (off_t)(at / PAGE_BYTES * sizeof entry)),
                        ==, sizeof entry);
        if (entry & PAGEMAP_PRESENT) {
            present++;
            g_assert_true(entry & PAGEMAP_EXCLUSIVE);
        }
    }
    close(fd);
    g_assert_cmpuint(present * PAGE_BYTES, >=, 6 << 20);
}

/* Huge is what the kernel says is eligible and resident: all of it. */
static void
assert_all_huge(const ProcMapping *m)
{
    g_assert_true(m->thp_eligible || m->shmem_huge_bytes > 0);
    g_assert_cmpuint(m->shmem_huge_bytes, >=, 6 << 20);
    g_assert_cmpuint(m->shmem_huge_bytes, ==, m->rss_bytes);
    g_assert_cmpuint(m->shmem_huge_bytes % EXTENT_BYTES, ==, 0);
}

static void
assert_ram(const VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < ram->len; i++) {
        const ProcMapping *m = &g_array_index(ram, ProcMapping, i);
        assert_exclusive(vm, m);
        assert_all_huge(m);
    }
}

/* What an operator may have set before. */
static void
set_up(VmQemu *vm)
{
    static const char set[] =
        "{\"capabilities\": [{\"capability\": \"postcopy-ram\", "
        "\"state\": true}, {\"capability\": \"xbzrle\", \"state\": true}]}";
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, "migrate-set-capabilities", set, &error);
    g_assert_no_error(error);
    vm_qemu_command(vm, "migrate-set-parameters",
                    "{\"max-bandwidth\": 77000000}", &error);
    g_assert_no_error(error);
}

static void
assert_as_set_up(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        bool wanted = g_str_equal(capabilities[i], "postcopy-ram") ||
                      g_str_equal(capabilities[i], "xbzrle");
        if (vm_expect_capability(vm, capabilities[i]) != wanted) {
            g_error("QEMU %d: the capability %s is not %s any more",
                    vm_qemu_pid(vm), capabilities[i], wanted ? "on" : "off");
        }
    }
    gint64 bandwidth = 0;
    qmp_qemu_get_parameter(vm_qemu_monitor(vm), "max-bandwidth", &bandwidth,
                           &error);
    g_assert_no_error(error);
    g_assert_cmpint(bandwidth, ==, 77000000);
}

static unsigned
count_fds(const VmQemu *vm)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", vm_qemu_pid(vm));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    while (dir && g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

static void
test_end_state(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(vm_qemu_why_not(c->version, c->kvm))) {
        return;
    }
    VmQemuOptions options = vm_expect_options(c->two_nodes ? 16 : 64);
    options.version = c->version;
    options.kvm = c->kvm;
    if (c->two_nodes) {
        options.memory[1] = (VmMemory){.kind = VM_MEMORY_FILE, .mib = 16};
        /* Enough to reach into the second node. */
        options.append = "mib=22 scan=1 stride=1024 report=50 slow=2000";
    } else {
        options.append = "mib=40 scan=1 stride=64 report=50";
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    set_up(pair->source);
    set_up(pair->destination);
    unsigned source_fds = count_fds(pair->source);
    unsigned destination_fds = count_fds(pair->destination);
    vm_expect_moves(pair);
    assert_ram(pair->destination);
    assert_as_set_up(pair->source);
    assert_as_set_up(pair->destination);
    g_assert_cmpuint(count_fds(pair->source), <=, source_fds);
    g_assert_cmpuint(count_fds(pair->destination), <=, destination_fds);
    vm_expect_state(pair->source, "postmigrate");
    vm_expect_state(pair->destination, "running");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/a-moved-guest-is-left-as-found/%s-%s-%s",
            cases[i].version == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].kvm ? "kvm" : "tcg",
            cases[i].two_nodes ? "two-nodes" : "one-node");
        g_test_add_data_func(path, &cases[i], test_end_state);
    }
    return g_test_run();
}
