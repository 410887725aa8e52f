/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guests of different sizes and shapes go from one QEMU to the next, ten
 * times each; after every hop the witness checks all of its memory twice over.
 */
#include "tests/support/vm-expect.h"

#define HOPS 10

typedef struct {
    const char *name;
    bool kvm;
    unsigned mib[3]; /* memory backends; more than one: NUMA nodes */
    const char *streams;
    const char *append;
    bool use_holes; /* press 'h' half way: what was a hole is written */
} Guest;

static const Guest guests[] = {
    {"64-mib-1-stream", false, {64}, "1",
     "mib=24 scan=1 stride=4 report=50", false},
    {"96-mib-2-streams-many-zero-pages", false, {96}, "2",
     "mib=32 scan=1 stride=16 report=50 zero=60", false},
    {"two-nodes-3-streams", false, {48, 80}, "3",
     "mib=96 scan=1 stride=64 report=50 zero=5", false},
    {"256-mib-4-streams-sparse", false, {256}, "4",
     "mib=200 sparse=8 scan=1 stride=64 report=50", true},
    {"three-nodes-odd-sizes-2-streams", false, {63, 37, 41}, "2",
     "mib=64 scan=1 stride=32 report=50 zero=10", false},
    {"kvm-128-mib-2-streams", true, {128}, "2",
     "mib=8 scan=1 stride=512 slow=2000 report=50 zero=10", false},
};

static void
press_h(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, "send-key",
                    "{\"keys\": [{\"type\": \"qcode\", \"data\": \"h\"}]}",
                    &error);
    g_assert_no_error(error);
}

static void
hop(VmPair *pair, const Guest *guest)
{
    g_autoptr(GError) error = NULL;
    const char *extra[] = {"--streams", guest->streams, NULL};
    vm_pair_migrate_with(pair, extra, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    vm_expect_arrived(pair);
}

static void
test_ten_hops(gconstpointer data)
{
    const Guest *guest = data;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, guest->kvm))) {
        return;
    }
    VmQemuOptions options = {.kvm = guest->kvm, .append = guest->append};
    for (int i = 0; i < 3 && guest->mib[i]; i++) {
        options.memory[i] =
            (VmMemory){.kind = VM_MEMORY_FILE, .mib = guest->mib[i]};
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    for (int i = 0; i < HOPS; i++) {
        g_autoptr(GError) error = NULL;
        if (i > 0) {
            vm_pair_turn(pair, &error);
            g_assert_no_error(error);
        }
        if (guest->use_holes && i == HOPS / 2) {
            press_h(pair->source);
        }
        hop(pair, guest);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(guests); i++) {
        g_autofree char *path = g_strdup_printf(
            "/fifty-migrations-lose-no-word/%s", guests[i].name);
        g_test_add_data_func(path, &guests[i], test_ten_hops);
    }
    return g_test_run();
}
