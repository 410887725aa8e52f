/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's own postcopy, with and without its preempt channel, told to do its
 * best: no bandwidth limit, and to postcopy at once, so that it is the phase
 * compared with ours that is measured and not a precopy before it.
 */
#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-qemu.h"
#include "tests/bench/bench-run.h"
#include "tests/bench/bench-watch.h"

#define MOVE_TIMEOUT_MS 60000
/* Bytes per second; far more than loopback carries. */
#define NO_LIMIT (G_GINT64_CONSTANT(20) << 30)

static bool
set_up(VmQemu *vm, bool preempt, GError **error)
{
    QmpClient *qmp = vm_qemu_monitor(vm);
    return qmp_qemu_set_capability(qmp, "events", true, error) &&
           qmp_qemu_set_capability(qmp, "return-path", true, error) &&
           qmp_qemu_set_capability(qmp, "postcopy-ram", true, error) &&
           (!preempt || qmp_qemu_set_capability(qmp, "postcopy-preempt", true,
                                                error)) &&
           qmp_qemu_set_parameter(qmp, "max-bandwidth", NO_LIMIT, error) &&
           qmp_qemu_set_parameter(qmp, "max-postcopy-bandwidth", 0, error);
}

static char *
uri_of(const VmPair *pair)
{
    return g_strdup_printf("tcp:127.0.0.1:%u", pair->port);
}

bool
bench_native_prepare(const BenchPlan *plan, VmPair *pair, GError **error)
{
    bool preempt = plan->way == BENCH_PREEMPT;
    g_autofree char *uri = uri_of(pair);
    return set_up(pair->source, preempt, error) &&
           set_up(pair->destination, preempt, error) &&
           qmp_qemu_migrate_incoming(vm_qemu_monitor(pair->destination), uri,
                                     error);
}

static bool
wait_until_complete(VmPair *pair, BenchRun *run, GError **error)
{
    uint64_t deadline = fd_deadline_ns(MOVE_TIMEOUT_MS);
    while (!run->source_completed || !run->completed_us) {
        if (!bench_watch_once(pair, NULL, 0, 100, run, error)) {
            return false;
        }
        if (run->failed || fd_now_ns() > deadline) {
            return error_set(error, ERROR_FAILED,
                             "QEMU's own migration %s (source %s, destination "
                             "%s)",
                             run->failed ? "failed" : "did not end in time",
                             run->source_completed ? "completed" : "not done",
                             run->completed_us ? "completed" : "not done");
        }
    }
    return true;
}

bool
bench_native_move(const BenchPlan *plan, VmPair *pair, BenchRun *run,
                  GError **error)
{
    g_autofree char *uri = uri_of(pair);
    QmpClient *source = vm_qemu_monitor(pair->source);
    run->start_us = g_get_real_time();
    if (!qmp_qemu_migrate(source, uri, error) ||
        !vm_qemu_command(pair->source, "migrate-start-postcopy", NULL,
                         error) ||
        !wait_until_complete(pair, run, error)) {
        return false;
    }
    run->last_page_us = run->completed_us;
    run->over_us = g_get_real_time();
    run->native = qmp_client_execute(source, "query-migrate", NULL, error);
    if (run->native && !run->postcopy_active) {
        return error_set(error, ERROR_FAILED,
                         "QEMU never said postcopy-active: that was a precopy");
    }
    return run->native != NULL;
}
