/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Linux guest gives memory away that has not arrived, into a balloon or by
 * free page reporting, takes a part of it back and writes files there. Nothing
 * that comes for it later gets into them, nor into what it did not take back.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-passage.h"

#define MIB 256
#define LEAST_MIB 192 /* what the balloon leaves to the guest */
#define REPORTED_MIB UINT64_C(16)
#define PATIENCE_MS 120000
#define TRACED "ram_block_discard_range m0@"

static VmPair *
start(VmQemuVersion version)
{
    static const char *const extra[] = {
        "-device", "virtio-balloon-pci,free-page-reporting=on",
        "-trace", "ram_block_discard_range", NULL};
    VmQemuOptions options = {.version = version,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = MIB}},
                             .extra = extra};
    vm_linux_set(&options, 8);
    /* Debian's kernel clears what it allocates, for the balloon too: that would
     * fetch each page before it is discarded. */
    g_autofree char *append =
        g_strconcat(options.append, " balloon=20 init_on_alloc=0", NULL);
    options.append = g_intern_string(append);
    return vm_expect_linux_pair(&options, PATIENCE_MS);
}

static int64_t
balloon_mib(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) reply = qmp_client_execute(
        vm_qemu_monitor(vm), "query-balloon", NULL, &error);
    g_assert_no_error(error);
    return json_object_get_int_member(json_node_get_object(reply), "actual") >>
           20;
}

/* Leaves the guest MIB of its memory, and waits until it says SAID. */
static void
set_balloon(VmQemu *vm, unsigned mib, const char *said)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *arguments = g_strdup_printf(
        "{\"value\": %" G_GUINT64_FORMAT "}", (uint64_t)mib << 20);
    vm_qemu_command(vm, "balloon", arguments, &error);
    g_assert_no_error(error);
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    while (balloon_mib(vm) != mib) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(50000);
    }
    vm_qemu_wait_serial(vm, said, PATIENCE_MS, &error);
    g_assert_no_error(error);
}

/* What QEMU discarded in larger pieces than the pages of a balloon. */
static uint64_t
reported_bytes(VmQemu *vm)
{
    g_autofree char *text = vm_qemu_stderr_text(vm);
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, TRACED)) != NULL;) {
        at += strlen(TRACED);
        const char *length = strstr(at, " + ");
        uint64_t bytes = length ? strtoull(length + 3, NULL, 16) : 0;
        sum += bytes >= EXTENT_BYTES ? bytes : 0;
    }
    return sum;
}

static void
wait_reports(VmQemu *vm)
{
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    while (reported_bytes(vm) < REPORTED_MIB << 20) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(50000);
    }
}

/* When the balloon begins to grow the guest frees what fills its memory. Linux
 * reports nothing unless 64 MiB and some are free: so many are left to it. */
static void
give_and_take(VmQemu *vm)
{
    set_balloon(vm, MIB - 16, "balloon inflated");
    set_balloon(vm, LEAST_MIB, "balloon inflated");
    wait_reports(vm);
    vm_expect_ticks(vm, 2); /* it looks at the balloon once a tick */
    set_balloon(vm, (MIB + LEAST_MIB) / 2, "balloon deflated");
}

static int
open_ram(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    const ProcMapping *mapping = &g_array_index(ram, ProcMapping, 0);
    g_autofree char *path = g_strdup_printf(
        "/proc/%d/map_files/%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
        vm_qemu_pid(vm), mapping->start, mapping->end);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_no_errno(file);
    return file;
}

/* Pages of zeros at the destination that are none at the source: if all came
 * that the guest discarded there would be next to none. */
static unsigned
pages_away(VmPair *pair)
{
    static const uint8_t zeros[PAGE_BYTES];
    autofd source = open_ram(pair->source);
    autofd destination = open_ram(pair->destination);
    uint8_t there[PAGE_BYTES], here[PAGE_BYTES];
    unsigned n = 0;
    for (off_t at = 0; at < (off_t)MIB << 20; at += PAGE_BYTES) {
        g_assert_cmpint(pread(source, there, PAGE_BYTES, at), ==, PAGE_BYTES);
        g_assert_cmpint(pread(destination, here, PAGE_BYTES, at), ==,
                        PAGE_BYTES);
        n += memcmp(here, zeros, PAGE_BYTES) == 0 &&
             memcmp(there, zeros, PAGE_BYTES) != 0;
    }
    return n;
}

static void
expect_discards(VmPair *pair, VmTool *receive)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) report = vm_tool_report(receive, &error);
    g_assert_no_error(error);
    double discarded = vm_expect_number(report, "$.pages.discarded");
    unsigned away = pages_away(pair);
    g_test_message("%.0f pages discarded before they arrived, %u away",
                   discarded, away);
    g_assert_cmpfloat(discarded, >, 0);
    g_assert_cmpuint(away, >, 2048);
}

static void
test_discards(gconstpointer data)
{
    VmQemuVersion version = (VmQemuVersion)GPOINTER_TO_INT(data);
    g_autoptr(GError) error = NULL;
    g_auto(VmPassage) passage = {0};
    if (vm_qemu_skip(vm_linux_why_not(version))) {
        return;
    }
    VmPair *pair = start(version);
    /* Next to nothing arrives but what the guest touches. */
    vm_passage_begin(&passage, pair, "throttle bulk to-destination 100000");
    give_and_take(pair->destination);
    vm_passage_finish(&passage, PATIENCE_MS);
    expect_discards(pair, passage.receive);
    /* Each pair of files is compared once. */
    vm_expect_ticks(pair->destination, 32);
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/discards/qemu", GINT_TO_POINTER(VM_QEMU_HOST),
                         test_discards);
    g_test_add_data_func("/discards/qemu10", GINT_TO_POINTER(VM_QEMU_10),
                         test_discards);
    return g_test_run();
}
