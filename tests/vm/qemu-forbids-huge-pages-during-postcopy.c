/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What postlude collapse --after-migration rests on, seen on each QEMU we
 * have: on the destination of its own migration QEMU allows huge pages during
 * precopy, forbids them (MADV_NOHUGEPAGE) for the time of the postcopy, and
 * allows them again before it says "completed". So "completed" is late enough
 * to begin, and nothing before it is.
 */
#include <string.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-native.h"

#define FILLED_BYTES (UINT64_C(96) << 20)
#define RECEIVED_BYTES (UINT64_C(16) << 20)
#define ENOUGH_LOOKS 5
#define MOVE_MS 60000

typedef struct {
    bool forbidden; /* VmFlags nh */
    bool guarded;   /* registered with a userfaultfd */
    uint64_t huge_bytes, rss_bytes;
} Look;

static Look
look(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ram = vm_look_ram(vm, &error);
    g_assert_no_error(error);
    const ProcMapping *m = &g_array_index(ram, ProcMapping, 0);
    return (Look){.forbidden = proc_mapping_has_flag(m, "nh"),
                  .guarded = proc_mapping_has_flag(m, "um"),
                  .huge_bytes = m->anon_huge_bytes,
                  .rss_bytes = m->rss_bytes};
}

static void
expect_precopy_allows(VmQemu *vm)
{
    uint64_t deadline = fd_deadline_ns(MOVE_MS);
    Look now;
    do {
        now = look(vm);
        g_assert_false(now.forbidden);
        g_assert_false(now.guarded);
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(10000);
    } while (now.rss_bytes < RECEIVED_BYTES);
    g_autofree char *status = vm_native_status(vm);
    g_assert_cmpstr(status, ==, "active");
    g_test_message("precopy: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " MiB are huge", now.huge_bytes >> 20, now.rss_bytes >> 20);
}

/* How often they were forbidden, and how often they were not any more before
 * "completed" was said: QEMU takes it back first, when all has arrived. */
typedef struct {
    unsigned forbidden, lifted;
} Tally;

static void
judge_postcopy(Tally *tally, const Look *now)
{
    if (now->forbidden && now->guarded) {
        g_assert_cmpuint(tally->lifted, ==, 0);
        tally->forbidden++;
    } else {
        g_assert_cmpuint(now->rss_bytes, >=, FILLED_BYTES);
        tally->lifted++;
    }
}

/* A look between two equal answers is a look at that state. False if there
 * were too few to tell. */
static bool
expect_postcopy_forbids(VmQemu *vm)
{
    uint64_t deadline = fd_deadline_ns(MOVE_MS);
    Tally tally = {0};
    bool over = false;
    while (!over) {
        g_autofree char *before = vm_native_status(vm);
        Look now = look(vm);
        g_autofree char *after = vm_native_status(vm);
        over = strcmp(before, "completed") == 0;
        if (over) {
            g_assert_false(now.forbidden);
            g_assert_false(now.guarded);
        } else if (strcmp(before, "postcopy-active") == 0 &&
                   strcmp(before, after) == 0) {
            judge_postcopy(&tally, &now);
        }
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(10000);
    }
    g_test_message("postcopy-active: forbidden in %u looks, then lifted in %u",
                   tally.forbidden, tally.lifted);
    return tally.forbidden >= ENOUGH_LOOKS;
}

static bool
move(const VmQemuOptions *options)
{
    g_autoptr(VmPair) pair = vm_expect_pair_of(options, options);
    vm_native_start(pair, VM_NATIVE_MIB_PER_S(16));
    expect_precopy_allows(pair->destination);
    vm_native_switch(pair);
    bool seen = expect_postcopy_forbids(pair->destination);
    vm_expect_beats(pair->destination);
    return seen;
}

static void
run(gconstpointer data)
{
    VmQemuOptions options = {
        .version = (VmQemuVersion)GPOINTER_TO_INT(data),
        .append = "mib=96 scan=1 stride=1024 report=50",
    };
    if (vm_qemu_skip(vm_qemu_why_not(options.version, false))) {
        return;
    }
    for (int attempt = 0; attempt < 3; attempt++) {
        if (move(&options)) {
            return;
        }
    }
    g_error("the postcopy was always over before it was looked at");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/qemu-forbids/qemu-of-this-host",
                         GINT_TO_POINTER(VM_QEMU_HOST), run);
    g_test_add_data_func("/qemu-forbids/qemu-10", GINT_TO_POINTER(VM_QEMU_10),
                         run);
    return g_test_run();
}
