/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting a thread: see thread.h.
 */
#include "base/thread.h"

#include <stdatomic.h>

#include "base/error.h"
#include "base/fd.h"

#define PAUSE_US 20000

static _Atomic unsigned refused;

void
thread_refuse(unsigned n)
{
    atomic_store(&refused, n);
}

static bool
is_refused(void)
{
    unsigned left = atomic_load(&refused);
    while (left > 0 &&
           !atomic_compare_exchange_weak(&refused, &left, left - 1)) {
    }
    return left > 0;
}

GThread *
thread_try(const char *name, GThreadFunc run, gpointer data, GError **error)
{
    g_autoptr(GError) why = NULL;
    GThread *thread =
        is_refused() ? NULL : g_thread_try_new(name, run, data, &why);
    if (!thread) {
        error_set(error, ERROR_FAILED,
                  "no thread is to be had for '%s' (%s): look at the limits "
                  "on processes (ulimit -u, pids.max of the cgroup, "
                  "kernel.threads-max) and at free memory",
                  name, why ? why->message : "refused");
    }
    return thread;
}

GThread *
thread_start(const char *name, GThreadFunc run, gpointer data, GError **error)
{
    uint64_t deadline = fd_deadline_ns(THREAD_WAIT_MS);
    for (;;) {
        g_autoptr(GError) why = NULL;
        GThread *thread = thread_try(name, run, data, &why);
        if (thread) {
            return thread;
        }
        if (fd_now_ns() >= deadline) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
        g_usleep(PAUSE_US);
    }
}
