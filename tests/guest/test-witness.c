/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The judge is judged: the witness runs under each QEMU and accelerator we
 * have, counts, keeps time, and notices a single bit that is changed behind
 * its back. Without this, "no wrong word" would mean nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-look.h"
#include "tests/support/vm-qemu.h"
#include "tests/support/witness-log.h"

typedef struct {
    VmQemuVersion version;
    bool kvm;
    const char *append;
} Case;

static const Case cases[] = {
    {VM_QEMU_HOST, false, "mib=128 scan=2 seed=3"},
    {VM_QEMU_10, false, "mib=128 scan=2 seed=3"},
    /* An unpaged guest may be emulated: few pages, few words. */
    {VM_QEMU_HOST, true, "mib=16 scan=2 stride=256 slow=2000"},
    {VM_QEMU_10, true, "mib=16 scan=2 stride=256 slow=2000"},
};

static VmQemu *
start(const Case *c, const char *append)
{
    if (vm_qemu_skip(vm_qemu_why_not(c->version, c->kvm))) {
        return NULL;
    }
    VmQemuOptions options = {.version = c->version,
                             .kvm = c->kvm,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 256}},
                             .append = append};
    g_autoptr(GError) error = NULL;
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "ready ", 60000, &error);
    g_assert_no_error(error);
    return vm;
}

static WitnessLog *
read_log(VmQemu *vm)
{
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(GError) error = NULL;
    WitnessLog *log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    return log;
}

/* Until beats say TRUE of it, or 60 s have passed. */
static WitnessLog *
wait_log(VmQemu *vm, bool (*is_enough)(const WitnessLog *))
{
    uint64_t deadline = fd_deadline_ns(60000);
    for (;;) {
        WitnessLog *log = read_log(vm);
        if (is_enough(log)) {
            return log;
        }
        if (fd_now_ns() > deadline) {
            g_autofree char *text = vm_qemu_serial_text(vm);
            g_error("the witness is stuck: %s", text);
        }
        witness_log_free(log);
        g_usleep(50000);
    }
}

static bool
has_two_scans(const WitnessLog *log)
{
    const WitnessBeat *last = witness_log_last(log);
    return last && last->scans >= 2 && last->ms >= 2000;
}

/* A line that is not whole yet counts as well (witness-log.c); its page and its
 * word must be there. */
static bool
has_wrong(const WitnessLog *log)
{
    const char *line =
        log->wrong->len > 0 ? g_ptr_array_index(log->wrong, 0) : "";
    const char *word = strstr(line, " word=");
    return word && strchr(word + 1, ' ');
}

static void
test_counts_and_keeps_time(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VmQemu) vm = start(c, c->append);
    if (!vm) {
        return;
    }
    uint64_t began = fd_now_ns();
    g_autoptr(WitnessLog) before = read_log(vm);
    g_autoptr(WitnessLog) log = wait_log(vm, has_two_scans);
    uint64_t host_ms = (fd_now_ns() - began) / 1000000;
    const WitnessBeat *last = witness_log_last(log);
    const WitnessBeat *old = witness_log_last(before);
    uint64_t guest_ms = last->ms - (old ? old->ms : 0);
    g_test_message("host %" G_GUINT64_FORMAT " ms, guest %" G_GUINT64_FORMAT
                   " ms, %" G_GUINT64_FORMAT " accesses, %" G_GUINT64_FORMAT
                   " slow, fill %" G_GUINT64_FORMAT " ms", host_ms, guest_ms,
                   last->accesses, last->slow, log->fill_ms);
    g_assert_cmpuint(last->wrong, ==, 0);
    g_assert_cmpuint(last->accesses, >, 1000);
    /* The guest's clock is the host's, give or take a line of the report. */
    g_assert_cmpuint(guest_ms, <=, host_ms + host_ms / 10 + 300);
    g_assert_cmpuint(guest_ms + guest_ms / 10 + 600, >=, host_ms);
}

/* Guest RAM through QEMU's own descriptor of the file. */
static void
flip_bit(VmQemu *vm, uint64_t gpa)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    const ProcMapping *m = &g_array_index(ram, ProcMapping, 0);
    g_autofree char *path = g_strdup_printf("/proc/%d/map_files/%lx-%lx",
                                            vm_qemu_pid(vm),
                                            (unsigned long)m->start,
                                            (unsigned long)m->end);
    autofd fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        g_error("cannot open %s: %s", path, g_strerror(errno));
    }
    uint8_t byte;
    g_assert_cmpint(pread(fd, &byte, 1, (off_t)gpa), ==, 1);
    byte ^= 1;
    g_assert_cmpint(pwrite(fd, &byte, 1, (off_t)gpa), ==, 1);
}

static void
test_notices_a_flipped_bit(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(geteuid() == 0 ? NULL : g_strdup(
            "writing into the guest's RAM needs root"))) {
        return;
    }
    g_autofree char *append = g_strconcat(c->append, " write=0", NULL);
    g_autoptr(VmQemu) vm = start(c, append);
    if (!vm) {
        return;
    }
    g_autoptr(WitnessLog) log = read_log(vm);
    g_assert_cmpuint(log->wrong->len, ==, 0);
    /* Page 1000, its word 256. */
    flip_bit(vm, log->area_gpa + 1000 * 4096 + 1024);
    g_autoptr(WitnessLog) after = wait_log(vm, has_wrong);
    const char *line = g_ptr_array_index(after->wrong, 0);
    if (!g_str_has_prefix(line, "WRONG data page=1000 word=256 ")) {
        g_error("another word than the one that was flipped is wrong: %s",
                line);
    }
}

static void
test_holes_are_zero_until_used(void)
{
    static const Case c = {VM_QEMU_HOST, false, NULL};
    g_autoptr(VmQemu) vm = start(&c, "mib=64 sparse=512 scan=2 zero=20");
    if (!vm) {
        return;
    }
    g_autoptr(GError) error = NULL;
    uint64_t huge, rss;
    g_autoptr(WitnessLog) log = wait_log(vm, has_two_scans);
    /* One page in 512, the table, the firmware. */
    g_assert_true(vm_look_huge(vm, &huge, &rss, &error));
    g_assert_cmpuint(rss, <, 16 << 20);
    g_assert_false(log->holes);
    vm_qemu_command(vm, "send-key",
                    "{\"keys\":[{\"type\":\"qcode\",\"data\":\"h\"}]}",
                    &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "holes in use", 10000, &error);
    g_assert_no_error(error);
    g_autoptr(WitnessLog) after = read_log(vm);
    uint64_t scans = witness_log_last(after)->scans;
    uint64_t deadline = fd_deadline_ns(60000);
    while (witness_log_last(after)->scans < scans + 3 &&
           fd_now_ns() < deadline) {
        g_usleep(100000);
        witness_log_free(after);
        after = read_log(vm);
    }
    g_assert_cmpuint(witness_log_last(after)->scans, >=, scans + 3);
    g_assert_cmpuint(witness_log_last(after)->wrong, ==, 0);
    g_assert_true(vm_look_huge(vm, &huge, &rss, &error));
    g_assert_cmpuint(rss, >, 60 << 20);
}

static void
test_refuses_more_than_there_is(void)
{
    VmQemuOptions options = {.memory = {{.kind = VM_MEMORY_FILE, .mib = 64}},
                             .append = "mib=64"};
    if (vm_qemu_skip(vm_qemu_why_not(options.version, options.kvm))) {
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "not enough RAM", 30000, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *where = g_strdup_printf(
            "%s-%s", cases[i].version == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].kvm ? "kvm" : "tcg");
        g_autofree char *time = g_strdup_printf(
            "/witness/%s/counts-and-keeps-time", where);
        g_autofree char *flip = g_strdup_printf(
            "/witness/%s/notices-a-flipped-bit", where);
        g_test_add_data_func(time, &cases[i], test_counts_and_keeps_time);
        g_test_add_data_func(flip, &cases[i], test_notices_a_flipped_bit);
    }
    g_test_add_func("/witness/holes-are-zero-until-used",
                    test_holes_are_zero_until_used);
    g_test_add_func("/witness/refuses-more-than-there-is",
                    test_refuses_more_than_there_is);
    return g_test_run();
}
