/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ask the kernel to make one extent of another process huge, and understand
 * its answer. One 2 MiB extent a call, because a call over many stops at the
 * first it does not like (mm/khugepaged.c, madvise_collapse).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process to sweep: holds a pidfd. Needs CAP_SYS_NICE and ptrace access
 * (process_madvise(2)); Linux 6.1 for MADV_COLLAPSE on shmem. */
typedef struct CollapseTarget CollapseTarget;

/* Also asks the kernel, with an empty list, whether it would let us:
 * UNSUPPORTED says what is missing, VM_GONE that there is no such process. */
CollapseTarget *collapse_target_open(pid_t pid, GError **error);
void collapse_target_close(CollapseTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapseTarget, collapse_target_close)

/* Collapses the extent at HVA (2 MiB aligned). Returns 0 or an errno value:
 * ENOMEM no huge page free; EBUSY cgroup limit, or a hole in a file that is
 * registered MISSING; EAGAIN a page is pinned or locked, come back; EINVAL
 * misaligned, NOHUGEPAGE or empty; ESRCH the process is gone. Any thread. */
int collapse_target_extent(CollapseTarget *target, uint64_t hva);

/* Collapses N extents from HVA on in one call. All of them or an errno value,
 * and then it is not known which: ask again one by one. Each call waits for
 * every CPU to empty its per-CPU page lists (mm/khugepaged.c, madvise_collapse
 * calls lru_add_drain_all), which on busy cores costs far more than the entry
 * it installs; neighbours that are ready share it. */
int collapse_target_range(CollapseTarget *target, uint64_t hva, uint64_t n);

/* Errors by errno, to be reported by name. Fixed size, no allocation. */
typedef struct {
    struct {
        int errnum;
        uint64_t count;
    } kinds[16];
} CollapseErrors;

void collapse_errors_add(CollapseErrors *errors, int errnum);
void collapse_errors_merge(CollapseErrors *into, const CollapseErrors *from);
uint64_t collapse_errors_total(const CollapseErrors *errors);
