/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine with plenty of free memory and hardly a free huge page, because
 * everywhere in it lie pages that cannot be moved. Such a machine is not made
 * of a host: it is a Linux guest, in which postlude sweeps a process
 * (tests/support/fragment.c, tests/guest/linux/fragmented.init). It makes huge
 * what it can, asks for compaction once, gives up the rest in bounded time, and
 * says all that. In Debian 12 this is Linux 6.1 too, where coverage comes from
 * smaps: what the report says is huge is what the kernel says.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"

#define SWEPT_MIB 96
#define BOUND_MS 240000

/* From the brace at the beginning of a line to the status. */
static JsonNode *
report_in(const char *text)
{
    g_autoptr(GError) error = NULL;
    const char *from = strstr(text, "\n{");
    const char *to = from ? strstr(from, "\n}") : NULL;
    if (!to) {
        g_error("no report: %s", text);
    }
    g_autofree char *json = g_strndup(from, (gsize)(to + 2 - from));
    JsonNode *report = json_from_string(json, &error);
    g_assert_no_error(error);
    return report;
}

static uint64_t
huge_bytes_in(const char *text)
{
    const char *at = g_strrstr(text, "AnonHugePages:");
    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen("AnonHugePages:"), NULL, 10) << 10;
}

static void
expect_report(const char *text)
{
    g_autoptr(JsonNode) report = report_in(text);
    JsonObject *object = json_node_get_object(report);
    g_assert_cmpstr(json_object_get_string_member(object, "outcome"), ==,
                    "no-memory");
    g_assert_nonnull(strstr(json_object_get_string_member(object, "reason"),
                            "even after it was asked to compact"));
    g_assert_true(json_object_get_boolean_member(object, "compacted"));
    double made = vm_expect_number(report, "$.extents.collapsed");
    double refused = vm_expect_number(report, "$.extents['no-memory']");
    g_assert_cmpfloat(refused, >=, 1);
    double missed = vm_expect_number(report, "$.extents['not-reached']");
    g_assert_cmpfloat(made + refused + missed, >=, SWEPT_MIB / 2 - 1);
    g_assert_cmpfloat(vm_expect_number(report, "$.errors.ENOMEM"), >=, refused);
    g_assert_cmpfloat(vm_expect_number(report, "$.after.huge_bytes"), ==,
                      made * EXTENT_BYTES);
    g_assert_cmpuint(huge_bytes_in(text), ==, (uint64_t)made * EXTENT_BYTES);
}

static void
test_fragmented(void)
{
    const char *const programs[] = {vm_tool_path(), FRAGMENT, NULL};
    if (vm_qemu_skip(vm_linux_why_not(VM_QEMU_HOST))) {
        return;
    }
    g_autofree char *text =
        vm_expect_programs(512, "fragmented.init", programs, BOUND_MS);
    g_assert_nonnull(strstr(text, "fragmented: "));
    g_assert_nonnull(strstr(text, "\nstatus 3"));
    expect_report(text);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-fragmented/gives-up", test_fragmented);
    return g_test_run();
}
