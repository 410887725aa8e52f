/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A memory cgroup of the test's own, v1 or v2, whichever hierarchy has the
 * memory controller on this host. It is removed by scope; processes in it have
 * to be gone by then.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    char *directory;
    bool unified;
} KernelCgroup;

/* False, with the reason why, if this host lets us have none. */
bool kernel_cgroup_init(KernelCgroup *cgroup, const char **reason);
void kernel_cgroup_clear(KernelCgroup *cgroup);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KernelCgroup, kernel_cgroup_clear)

/* Removes an empty cgroup; a process that was just reaped may still count for
 * a while on a busy machine, so it is patient. */
void kernel_cgroup_remove(const char *directory);

/* Moves PID in. */
void kernel_cgroup_enter(const KernelCgroup *cgroup, pid_t pid);

/* Has the kernel take from it what can be taken: the page cache. What could
 * still be reclaimed does not make room later on. */
void kernel_cgroup_reclaim(const KernelCgroup *cgroup);

/* At most BYTES are charged to it, and none of it goes to swap. */
void kernel_cgroup_limit(const KernelCgroup *cgroup, uint64_t bytes);

/* What is charged to it now. The kernel charges in batches: right within half
 * a MiB per CPU. */
uint64_t kernel_cgroup_usage_bytes(const KernelCgroup *cgroup);
