/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest with ordinary RAM that QEMU's own postcopy has moved lies in small
 * pages. postlude collapse --after-migration, started before the migration
 * ends, waits for that and makes all of them huge, while the guest runs and
 * checks each word of its memory.
 */
#include "base/proc-maps.h"
#include "tests/support/vm-expect.h"

#define RAM_BYTES (UINT64_C(256) << 20) /* without a backend in the options */
#define FILLED_BYTES (UINT64_C(96) << 20)
#define SCAN_MS 120000
#define COLLAPSE_MS 60000

static double
number(JsonNode *report, const char *path)
{
    g_autoptr(GError) error = NULL;
    double value = 0;
    vm_tool_number(report, path, &value, &error);
    g_assert_no_error(error);
    return value;
}

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

/* What the kernel says, not what our report says. */
static void
ram_bytes(VmQemu *vm, uint64_t *huge, uint64_t *rss)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) all = proc_maps_read(vm_qemu_pid(vm), true, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < all->len; i++) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        if (m->end - m->start == RAM_BYTES && m->writable && !m->inode) {
            *huge = m->anon_huge_bytes;
            *rss = m->rss_bytes;
            return;
        }
    }
    g_error("QEMU has no mapping of the size of its RAM");
}

/* So slowly that the sweep has to wait for it. Postcopy is asked for at once:
 * QEMU switches huge pages off only when it begins, and what the precopy phase
 * has brought by then is huge. */
static void
move_natively(VmPair *pair)
{
    static const char postcopy[] =
        "{\"capabilities\": [{\"capability\": \"postcopy-ram\", "
        "\"state\": true}]}";
    g_autofree char *to = g_strdup_printf("{\"uri\": \"tcp:127.0.0.1:%u\"}",
                                          pair->port);
    command(pair->source, "migrate-set-capabilities", postcopy);
    command(pair->destination, "migrate-set-capabilities", postcopy);
    command(pair->source, "migrate-set-parameters",
            "{\"max-bandwidth\": 33554432, "
            "\"max-postcopy-bandwidth\": 67108864}");
    command(pair->destination, "migrate-incoming", to);
    command(pair->source, "migrate", to);
    command(pair->source, "migrate-start-postcopy", NULL);
}

static void
check_report(VmTool *tool)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vm_tool_stdout(tool);
    g_autoptr(JsonNode) report = json_from_string(text, &error);
    g_assert_no_error(error);
    g_test_message("%s", text);
    double before = number(report, "$.before.huge_bytes");
    double populated = number(report, "$.after.populated_bytes");
    g_assert_cmpfloat(number(report, "$.waited_ms"), >=, 500);
    g_assert_cmpfloat(populated, >=, (double)FILLED_BYTES);
    /* Not zero: khugepaged may have been here. */
    g_assert_cmpfloat(before, <=,
                      number(report, "$.before.populated_bytes") * 0.1);
    g_assert_cmpfloat(number(report, "$.after.huge_bytes"), >=,
                      populated * 0.99);
    g_assert_cmpfloat(number(report, "$.extents.collapsed"), >=, 40);
}

static void
run(VmQemuVersion version)
{
    if (vm_qemu_skip(vm_qemu_why_not(version, false))) {
        return;
    }
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {
        .version = version,
        .append = "mib=96 scan=1 stride=1024 report=50 slow=1000",
    };
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    const char *args[] = {"--qmp", vm_qemu_tool_socket(pair->destination),
                          "--after-migration", "--json", NULL};
    g_autoptr(VmTool) tool = vm_tool_start("collapse", args, false, &error);
    g_assert_no_error(error);
    move_natively(pair);
    g_assert_false(vm_child_has_ended(vm_tool_child(tool), NULL));
    vm_expect_end(tool, COLLAPSE_MS, 0, "");
    check_report(tool);

    vm_pair_wait_scans(pair, 2, SCAN_MS, &error);
    g_assert_no_error(error);
    uint64_t huge = 0, rss = 0;
    ram_bytes(pair->destination, &huge, &rss);
    g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " MiB are huge", huge >> 20, rss >> 20);
    g_assert_cmpuint(rss, >=, FILLED_BYTES);
    g_assert_cmpuint(huge, >=, rss / 100 * 99);
    vm_qemu_wait_state(pair->destination, "running", 5000, &error);
    g_assert_no_error(error);
}

static void
test_qemu_of_this_host(void)
{
    run(VM_QEMU_HOST);
}

static void
test_qemu_10(void)
{
    run(VM_QEMU_10);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-moved/qemu-of-this-host",
                    test_qemu_of_this_host);
    g_test_add_func("/collapse-moved/qemu-10", test_qemu_10);
    return g_test_run();
}
