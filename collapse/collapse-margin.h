/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How much memory a process's cgroups, and the host, still have before the
 * kernel has to kill somebody: what it calls the margin of a cgroup, with what
 * it would take back first; and MemAvailable. Facts:
 * Documentation/admin-guide/cgroup-v2.rst (memory.current, memory.max,
 * memory.stat, memory.swap.*), cgroup-v1/memory.rst (memory.limit_in_bytes,
 * memory.memsw.*), mm/memcontrol.c; proc_meminfo(5).
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct CollapseMargin CollapseMargin;

/* Of the cgroup that PID's memory is charged to, of all above it, and of the
 * host. The files stay open, so that it can be asked where no file system is
 * left. Where no mounted cgroup file system leads to PID, of the host alone. */
CollapseMargin *collapse_margin_open(pid_t pid);

/* The same from DIRECTORY up (NULL: no cgroup), and of a host with the meminfo
 * at MEMINFO. What cannot be opened has no limit. */
CollapseMargin *collapse_margin_open_at(const char *directory,
                                        const char *meminfo);
void collapse_margin_free(CollapseMargin *margin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapseMargin, collapse_margin_free)

/* In bytes, the least of all levels and the host; UINT64_MAX: no limit, or none
 * is known. Where there is plenty it may say less than there is. What could go
 * to swap counts as far as there is swap. Costs a few microseconds per level,
 * and allocates nothing. Any thread. */
uint64_t collapse_margin_bytes(const CollapseMargin *margin);

/* The number behind NAME in the TEXT of a memory.stat, or behind "NAME:" in
 * that of a meminfo; 0 if it is not there. Pure. */
uint64_t collapse_margin_stat(const char *text, const char *name);
