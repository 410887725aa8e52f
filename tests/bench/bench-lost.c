/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a guest gets there: see bench-lost.h.
 */
#include "tests/bench/bench-lost.h"

#include <signal.h>

#include "base/error.h"
#include "tests/bench/bench-warm.h"
#include "tests/bench/bench-watch.h"

#define FILL_TIMEOUT_MS 180000
#define END_MS 10000

static bool
move(const BenchPlan *plan, VmPair *pair, GError **error)
{
    g_auto(BenchRun) run = {0};
    if (!bench_native_prepare(plan, pair, error) ||
        !bench_watch_begin(pair, error)) {
        return false;
    }
    bench_warm((uint64_t)plan->ram_mib << 20, 0);
    return bench_native_move(plan, pair, &run, error);
}

static bool
end_source(VmPair *pair, GError **error)
{
    VmChild *source = vm_qemu_child(pair->source);
    vm_child_kill(source, SIGKILL);
    return vm_child_wait(source, END_MS, NULL) ||
           error_set(error, ERROR_RETRY, "the source QEMU does not end");
}

static bool
check_lost(VmPair *pair, GError **error)
{
    uint64_t huge, rss;
    if (!vm_look_huge(pair->destination, &huge, &rss, error)) {
        return false;
    }
    return huge <= rss / 100 ||
           error_set(error, ERROR_STATE,
                     "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " MiB are "
                     "huge after the migration: nothing was lost that could "
                     "be regained", huge >> 20, rss >> 20);
}

VmPair *
bench_lost_start(const BenchPlan *plan, const char *words, GError **error)
{
    VmQemuOptions options = {
        .version = plan->version,
        .kvm = plan->kvm,
        .memory = {{.kind = VM_MEMORY_RAM, .mib = (unsigned)plan->ram_mib}},
        .append = words,
    };
    g_autoptr(VmPair) pair =
        vm_pair_start(&options, plan->version, FILL_TIMEOUT_MS, error);
    if (!pair || !move(plan, pair, error) || !end_source(pair, error) ||
        !check_lost(pair, error)) {
        return NULL;
    }
    return g_steal_pointer(&pair);
}
