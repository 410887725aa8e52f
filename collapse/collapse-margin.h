/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How much memory can still be charged to the cgroups of a process before the
 * kernel has to kill somebody in them: what it calls their margin, with what
 * it would take back first. Facts: Documentation/admin-guide/cgroup-v2.rst
 * (memory.current, memory.max, memory.stat, memory.swap.*), cgroup-v1/
 * memory.rst (memory.limit_in_bytes, ..., memory.memsw.*), mm/memcontrol.c.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct CollapseMargin CollapseMargin;

/* Of the cgroup that PID's memory is charged to and of all above it. The files
 * stay open, so that it can be asked where no file system is left. NULL with
 * UNSUPPORTED: no mounted cgroup file system leads there. */
CollapseMargin *collapse_margin_open(pid_t pid, GError **error);

/* The same from DIRECTORY up; of one that is no memory cgroup there is no
 * limit. */
CollapseMargin *collapse_margin_open_at(const char *directory);
void collapse_margin_free(CollapseMargin *margin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapseMargin, collapse_margin_free)

/* In bytes, the least of all levels; UINT64_MAX: no limit, or none is known.
 * Where there is plenty it may say less than there is. What could go to swap
 * counts as far as there is swap. Costs a few microseconds per level. Any
 * thread. */
uint64_t collapse_margin_bytes(const CollapseMargin *margin);

/* The number behind NAME in the TEXT of a memory.stat; 0 if it is not there.
 * Pure. */
uint64_t collapse_margin_stat(const char *text, const char *name);
