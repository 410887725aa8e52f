/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Scheduling of our threads: see migrate-priority.h.
 */
#include "migrate/core/migrate-priority.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 0 is the calling thread: a confined process may change no other. */
static void
set_nice(int nice)
{
    setpriority(PRIO_PROCESS, 0, nice);
}

/* A real-time thread runs as soon as its fault arrives; it cannot starve the
 * host, because each of its turns is bounded by the guest threads that wait. */
void
migrate_priority_urgent(const char *name)
{
    struct sched_param param = {.sched_priority = 1};
    pthread_setname_np(pthread_self(), name);
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) {
        set_nice(-15);
    }
}

/* Above ordinary threads, which here means above the vCPUs: on a host without
 * a core to spare a guest that computes while its memory is elsewhere only
 * faults more (measured on two cores: a quarter less time in all, and less
 * time stood waiting). Below the fault threads, so it gives way to them. */
void
migrate_priority_bulk(const char *name)
{
    pthread_setname_np(pthread_self(), name);
    set_nice(-10);
}

/* Inside a call the sweep holds locks that the guest's page faults need, and
 * waits for CPU time with them held if it has to. On two saturated cores a
 * call took 3 to 8 ms as an ordinary thread, the longest of a sweep 31 to 285,
 * and 1 to 1.4 and 8 to 11 ms like this. Real time would shorten it a bit
 * more, but a call that has to compact memory first is not short. */
void
migrate_priority_sweep(void)
{
    set_nice(-10);
}
