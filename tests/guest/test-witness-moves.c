/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The witness across QEMU's own precopy migration: its two serial logs are one
 * text, its clock does not see the transfer, and its memory is checked. What
 * we say of the TSC in witness-machine.c is asserted here.
 */
#include <string.h>

#include "tests/support/vm-pair.h"

typedef struct {
    VmQemuVersion from, to;
    bool kvm;
    const char *machine;
    const char *append;
} Case;

#define TCG_APPEND "mib=128 scan=2 report=100"
#define KVM_APPEND "mib=16 scan=2 stride=256 slow=2000 report=100"

static const Case cases[] = {
    {VM_QEMU_HOST, VM_QEMU_HOST, false, NULL, TCG_APPEND},
    {VM_QEMU_10, VM_QEMU_10, false, NULL, TCG_APPEND},
    {VM_QEMU_HOST, VM_QEMU_10, false, "pc-i440fx-7.2", TCG_APPEND},
    {VM_QEMU_HOST, VM_QEMU_HOST, true, NULL, KVM_APPEND},
};

static bool
skip_if_impossible(const Case *c)
{
    return vm_qemu_skip(vm_qemu_why_not(c->from, c->kvm)) ||
           vm_qemu_skip(vm_qemu_why_not(c->to, c->kvm));
}

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

static void
precopy(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uri = g_strdup_printf(
        "{\"uri\": \"tcp:127.0.0.1:%u\"}", pair->port);
    static const char fast[] = "{\"max-bandwidth\": 4000000000}";
    command(pair->source, "migrate-set-parameters", fast);
    /* Precopy under TCG loses writes to pages that are dirtied while they are
     * sent (seen with 7.2: pages whose tail is one generation old). A stopped
     * guest writes nothing. */
    command(pair->source, "stop", NULL);
    command(pair->destination, "migrate-incoming", uri);
    command(pair->source, "migrate", uri);
    vm_qemu_wait_state(pair->source, "postmigrate", 60000, &error);
    g_assert_no_error(error);
    vm_qemu_wait_state(pair->destination, "paused", 60000, &error);
    g_assert_no_error(error);
    command(pair->destination, "cont", NULL);
}

static void
test_no_seam_in_log_and_clock(gconstpointer data)
{
    const Case *c = data;
    if (skip_if_impossible(c)) {
        return;
    }
    VmQemuOptions options = {.version = c->from,
                             .kvm = c->kvm,
                             .machine = c->machine,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 256}},
                             .append = c->append};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_pair_start(&options, c->to, 60000, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(pair->source, "beat n=5 ", 30000, &error);
    g_assert_no_error(error);
    g_autofree char *before = vm_qemu_serial_text(pair->source);
    precopy(pair);
    vm_pair_wait_scans(pair, 2, 60000, &error);
    g_assert_no_error(error);

    g_autoptr(WitnessLog) log = vm_pair_witness(pair, &error);
    g_assert_no_error(error);
    const WitnessBeat *last = witness_log_last(log);
    /* No beat was lost or torn between the two files. */
    g_assert_cmpuint(log->beats->len, ==, last->line);
    g_autoptr(WitnessLog) old = witness_log_parse(before);
    WitnessDelta delta;
    witness_log_delta(log, witness_log_last(old), last, &delta);
    g_test_message("longest access %" G_GUINT64_FORMAT " us, next %"
                   G_GUINT64_FORMAT " us", delta.max_us, delta.next_us);
    g_assert_cmpuint(delta.wrong, ==, 0);
    g_assert_cmpuint(delta.max_us, <, 2000000);
    vm_look_is_capability_off(pair->destination, "x-ignore-shared", &error);
    g_assert_no_error(error);
    vm_look_is_only_mapper(pair->destination, &error);
    g_assert_no_error(error);
    vm_look_is_released(pair->destination, &error);
    g_assert_no_error(error);
}

/* Three seconds of standing still. TCG hides them; KVM shows them as one long
 * access (or in none, if it hit between two). */
static void
test_the_clock_while_stopped(gconstpointer data)
{
    const Case *c = data;
    if (skip_if_impossible(c)) {
        return;
    }
    VmQemuOptions options = {.version = c->from,
                             .kvm = c->kvm,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 256}},
                             .append = c->append};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(vm, "beat n=5 ", 60000, &error);
    g_assert_no_error(error);
    command(vm, "stop", NULL);
    g_usleep(100000);
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) old = witness_log_read(paths, &error);
    g_usleep(3000000);
    command(vm, "cont", NULL);
    g_usleep(1000000);
    g_autoptr(WitnessLog) log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    uint64_t ms = witness_log_last(log)->ms - witness_log_last(old)->ms;
    if (c->kvm) {
        g_assert_cmpuint(ms, >=, 3000);
    } else {
        g_assert_cmpuint(ms, <, 2500);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *where = g_strdup_printf(
            "%s-to-%s-%s", cases[i].from == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].to == VM_QEMU_10 ? "qemu10" : "qemu",
            cases[i].kvm ? "kvm" : "tcg");
        g_autofree char *moves = g_strdup_printf(
            "/witness-moves/%s/no-seam-in-log-and-clock", where);
        g_test_add_data_func(moves, &cases[i], test_no_seam_in_log_and_clock);
    }
    g_test_add_data_func("/witness-moves/the-clock-while-stopped-tcg",
                         &cases[0], test_the_clock_while_stopped);
    g_test_add_data_func("/witness-moves/the-clock-while-stopped-kvm",
                         &cases[3], test_the_clock_while_stopped);
    return g_test_run();
}
