/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words for each outcome: see collapse-outcome.h.
 */
#include "collapse/collapse-outcome.h"

#include <errno.h>
#include <glib.h>

typedef struct {
    const char *name, *words, *remedy;
} Entry;

static const Entry table[] = {
    [COLLAPSE_OUTCOME_WAITING] = {"not-reached", "not reached in this run",
                                  "run postlude collapse again"},
    [COLLAPSE_OUTCOME_DONE] = {"collapsed", "made huge", NULL},
    [COLLAPSE_OUTCOME_ALREADY] = {"already-huge", "were huge already", NULL},
    [COLLAPSE_OUTCOME_EMPTY] = {"empty", "hold no data", NULL},
    [COLLAPSE_OUTCOME_PINNED] =
        {"pinned", "a page was pinned or locked at every try (EAGAIN)",
         "run it again when the I/O is over; with VFIO the pages stay pinned "
         "for as long as the guest runs"},
    [COLLAPSE_OUTCOME_NO_MEMORY] =
        {"no-memory", "the host had no free huge page (ENOMEM)",
         "free memory on this host, or write 1 to /proc/sys/vm/compact_memory, "
         "and run it again"},
    [COLLAPSE_OUTCOME_CGROUP] =
        {"cgroup-limit", "the guest's memory cgroup is at its limit (EBUSY)",
         "raise memory.max of QEMU's cgroup (cgroup v1: memory.limit_in_bytes; "
         "virsh memtune --hard-limit) by a few MiB: a copy needs 2 MiB beside "
         "what it replaces"},
    [COLLAPSE_OUTCOME_NO_ROOM] =
        {"no-room",
         "hold little, would take 2 MiB each, and less than 64 MiB would be "
         "left of this host's memory or of QEMU's cgroup",
         "free memory on this host, or raise the limit of QEMU's cgroup, and "
         "run it again"},
    [COLLAPSE_OUTCOME_USERFAULTFD] =
        {"userfaultfd", "guarded by a userfaultfd: a postcopy is under way",
         "wait for its end: --after-migration does"},
    [COLLAPSE_OUTCOME_NOHUGEPAGE] =
        {"nohugepage", "huge pages are switched off for it (MADV_NOHUGEPAGE)",
         "QEMU does this until the end of an incoming postcopy, and "
         "--after-migration waits for that; otherwise find who asked for it"},
    [COLLAPSE_OUTCOME_DISABLED] =
        {"thp-disabled",
         "huge pages are switched off for QEMU (PR_SET_THP_DISABLE)",
         "find who starts QEMU so (a container runtime, a wrapper) and start "
         "the guest anew: no other process can switch them on again"},
    [COLLAPSE_OUTCOME_DENIED] =
        {"shmem-denied", "huge pages for shared memory are denied on this host",
         "write 'never' or 'advise' to "
         "/sys/kernel/mm/transparent_hugepage/shmem_enabled"},
    [COLLAPSE_OUTCOME_MISALIGNED] =
        {"misaligned",
         "the mapping does not start at a multiple of 2 MiB of its file",
         "start QEMU with -object memory-backend-file,align=2M,... (a memfd "
         "has no such option); a running guest can be migrated there"},
    [COLLAPSE_OUTCOME_PRIVATE_FILE] =
        {"private-file", "a private mapping of a file, which is never huge",
         "start QEMU with share=on for this memory backend"},
    [COLLAPSE_OUTCOME_HUGETLB] = {"hugetlb", "has huge pages of hugetlbfs",
                                  NULL},
    [COLLAPSE_OUTCOME_UNMAPPED] =
        {"unmapped", "was taken away meanwhile (unplugged?)", NULL},
    [COLLAPSE_OUTCOME_REFUSED] =
        {"refused", "the kernel refused it without a reason that shows "
                    "(EINVAL)",
         "RAM on a disk file system or with smaller large folios cannot be "
         "collapsed; put it on a tmpfs"},
    [COLLAPSE_OUTCOME_GONE] = {"gone", "the guest had ended", NULL},
};
G_STATIC_ASSERT(G_N_ELEMENTS(table) == COLLAPSE_OUTCOMES);

CollapseOutcome
collapse_outcome_of(int errnum)
{
    switch (errnum) {
    case EAGAIN: return COLLAPSE_OUTCOME_PINNED;
    case ENOMEM: return COLLAPSE_OUTCOME_NO_MEMORY;
    case EBUSY: return COLLAPSE_OUTCOME_CGROUP;
    default: return COLLAPSE_OUTCOME_REFUSED;
    }
}

const char *
collapse_outcome_name(CollapseOutcome outcome)
{
    return table[outcome].name;
}

const char *
collapse_outcome_words(CollapseOutcome outcome)
{
    return table[outcome].words;
}

const char *
collapse_outcome_remedy(CollapseOutcome outcome)
{
    return table[outcome].remedy;
}

bool
collapse_outcome_is_failure(CollapseOutcome outcome)
{
    return outcome != COLLAPSE_OUTCOME_DONE &&
           outcome != COLLAPSE_OUTCOME_ALREADY &&
           outcome != COLLAPSE_OUTCOME_EMPTY &&
           outcome != COLLAPSE_OUTCOME_HUGETLB;
}
