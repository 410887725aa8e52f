/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shortest true story: postlude moves the witness, every word of it is
 * right on the other side, all of its RAM is huge, and both QEMUs are left as
 * they were found.
 */
#include "tests/support/vm-pair.h"

typedef struct {
    VmQemuVersion from, to;
    bool kvm;
    const char *machine;
    unsigned nodes;
    const char *append;
} Case;

#define TCG_APPEND "mib=200 scan=2 report=100 zero=10"
#define KVM_APPEND "mib=16 scan=2 stride=256 slow=2000 report=100"

static const Case cases[] = {
    {VM_QEMU_HOST, VM_QEMU_HOST, false, NULL, 1, TCG_APPEND},
    {VM_QEMU_10, VM_QEMU_10, false, NULL, 1, TCG_APPEND},
    {VM_QEMU_HOST, VM_QEMU_10, false, "pc-i440fx-7.2", 1, TCG_APPEND},
    {VM_QEMU_HOST, VM_QEMU_HOST, false, NULL, 2, TCG_APPEND},
    {VM_QEMU_HOST, VM_QEMU_HOST, true, NULL, 1, KVM_APPEND},
    {VM_QEMU_10, VM_QEMU_10, true, NULL, 1, KVM_APPEND},
};

static void
assert_number(JsonNode *report, const char *path, double at_least)
{
    g_autoptr(GError) error = NULL;
    double value = 0;
    vm_tool_number(report, path, &value, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(value, >=, at_least);
}

static void
test_arrives_whole_huge_and_clean(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(vm_qemu_why_not(c->from, c->kvm)) ||
        vm_qemu_skip(vm_qemu_why_not(c->to, c->kvm))) {
        return;
    }
    VmQemuOptions options = {.version = c->from,
                             .kvm = c->kvm,
                             .machine = c->machine,
                             .append = c->append};
    for (unsigned i = 0; i < c->nodes; i++) {
        options.memory[i] = (VmMemory){.kind = VM_MEMORY_FILE,
                                       .mib = 256 / c->nodes};
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_pair_start(&options, c->to, 120000, &error);
    g_assert_no_error(error);
    g_autoptr(JsonNode) sent = NULL;
    g_autoptr(JsonNode) received = NULL;
    vm_pair_migrate(pair, 120000, &sent, &received, &error);
    g_assert_no_error(error);
    vm_pair_wait_scans(pair, 2, 120000, &error);
    g_assert_no_error(error);
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);

    uint64_t huge, rss;
    vm_look_huge(pair->destination, &huge, &rss, &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " resident bytes are huge", huge, rss);
    g_assert_cmpuint(huge, ==, rss);
    g_assert_cmpuint(huge, >, 16 << 20);
    assert_number(received, "$.pages.total", 16 << 8);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/witness-is-moved/%s-to-%s-%s-%u-nodes/"
            "arrives-whole-huge-and-clean",
            cases[i].from == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].to == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].kvm ? "kvm" : "tcg", cases[i].nodes);
        g_test_add_data_func(path, &cases[i],
                             test_arrives_whole_huge_and_clean);
    }
    return g_test_run();
}
