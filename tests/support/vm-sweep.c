/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sweeping a QEMU of the test: see vm-sweep.h.
 */
#include "tests/support/vm-sweep.h"

#include <string.h>

#include "base/fd.h"
#include "tests/support/khugepaged.h"
#include "tests/support/vm-expect.h"

#define END_MS 60000

VmTool *
vm_sweep_start(VmQemu *vm, const char *const *more)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    g_ptr_array_add(args, (char *)"--qmp");
    g_ptr_array_add(args, (char *)vm_qemu_tool_socket(vm));
    for (; *more; more++) {
        g_ptr_array_add(args, (char *)*more);
    }
    g_ptr_array_add(args, NULL);
    VmTool *tool = vm_tool_start("collapse", (const char *const *)args->pdata,
                                 false, &error);
    g_assert_no_error(error);
    return tool;
}

void
vm_sweep_expect(VmTool *tool, int code, const char *const *texts)
{
    vm_expect_end(tool, END_MS, code, "");
    g_autofree char *said = vm_tool_stdout(tool);
    for (; *texts; texts++) {
        if (!strstr(said, *texts)) {
            g_error("the report lacks \"%s\": %s", *texts, said);
        }
    }
}

JsonNode *
vm_sweep_report(VmTool *tool)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vm_tool_stdout(tool);
    JsonNode *report = json_from_string(text, &error);
    g_assert_no_error(error);
    g_test_message("%s", text);
    return report;
}

void
vm_sweep_expect_small_before(JsonNode *report, uint64_t khugepaged_bytes)
{
    g_assert_cmpfloat(
        vm_expect_number(report, "$.before.huge_bytes"), <=,
        0.1 * vm_expect_number(report, "$.before.populated_bytes") +
            (double)(khugepaged_made_bytes() - khugepaged_bytes));
}

static void
look(VmQemu *vm, uint64_t *huge, uint64_t *rss)
{
    g_autoptr(GError) error = NULL;
    vm_look_huge(vm, huge, rss, &error);
    g_assert_no_error(error);
}

uint64_t
vm_sweep_huge_bytes(VmQemu *vm)
{
    uint64_t huge, rss;
    look(vm, &huge, &rss);
    return huge;
}

void
vm_sweep_expect_huge(VmQemu *vm, uint64_t bytes)
{
    uint64_t huge, rss;
    look(vm, &huge, &rss);
    g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " MiB are huge", huge >> 20, rss >> 20);
    g_assert_cmpuint(rss, >=, bytes);
    g_assert_cmpuint(huge, >=, rss / 100 * 99);
}

void
vm_sweep_wait_huge(VmQemu *vm, uint64_t bytes)
{
    uint64_t deadline = fd_deadline_ns(END_MS);
    while (vm_sweep_huge_bytes(vm) < bytes) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(5000);
    }
}
