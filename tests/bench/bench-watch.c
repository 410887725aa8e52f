/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events of both monitors: see bench-watch.h.
 */
#include "tests/bench/bench-watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/error.h"

#define MAX_FDS 4

static void
note_migration(BenchRun *run, bool destination, const QmpEvent *event)
{
    if (g_strcmp0(event->status, "postcopy-active") == 0) {
        run->postcopy_active = true;
    } else if (g_strcmp0(event->status, "completed") == 0) {
        if (destination) {
            run->completed_us = event->time_us;
        } else {
            run->source_completed = true;
        }
    } else if (g_strcmp0(event->status, "failed") == 0 ||
               g_strcmp0(event->status, "postcopy-paused") == 0) {
        run->failed = true;
    }
}

static void
note(BenchRun *run, bool destination, const QmpEvent *event)
{
    if (strcmp(event->name, "MIGRATION") == 0) {
        note_migration(run, destination, event);
    } else if (!destination && strcmp(event->name, "STOP") == 0) {
        run->stop_us = event->time_us;
    } else if (destination && strcmp(event->name, "RESUME") == 0) {
        run->resume_us = event->time_us;
    }
}

/* RUN NULL: events are dropped. */
static bool
take_events(VmQemu *vm, bool destination, BenchRun *run, GError **error)
{
    QmpClient *monitor = vm_qemu_monitor(vm);
    bool ok = qmp_client_pump(monitor, error);
    for (;;) {
        g_autoptr(QmpEvent) event = qmp_client_pop_event(monitor);
        if (!event) {
            return ok;
        }
        if (run) {
            note(run, destination, event);
        }
    }
}

bool
bench_watch_begin(VmPair *pair, GError **error)
{
    return take_events(pair->source, false, NULL, error) &&
           take_events(pair->destination, true, NULL, error);
}

bool
bench_watch_once(VmPair *pair, const int *fds, unsigned n_fds, int timeout_ms,
                 BenchRun *run, GError **error)
{
    struct pollfd polls[2 + MAX_FDS] = {
        {.fd = qmp_client_fd(vm_qemu_monitor(pair->source)),
         .events = POLLIN},
        {.fd = qmp_client_fd(vm_qemu_monitor(pair->destination)),
         .events = POLLIN}};
    g_assert(n_fds <= MAX_FDS);
    for (unsigned i = 0; i < n_fds; i++) {
        polls[2 + i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    if (poll(polls, 2 + n_fds, timeout_ms) < 0 && errno != EINTR) {
        return error_set_errno(error, errno, "poll");
    }
    return take_events(pair->source, false, run, error) &&
           take_events(pair->destination, true, run, error);
}
