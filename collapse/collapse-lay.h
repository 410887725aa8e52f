/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Born huge: lay 2 MiB folios under a RAM file before its pages arrive, and
 * before it is registered with a userfaultfd (afterwards MADV_COLLAPSE would
 * answer EBUSY for holes: mm/khugepaged.c, collapse_file, since 6.4).
 * The work is done by a short-lived child that joins the target's memory
 * cgroup, because shared memory is charged to whoever touches it first and a
 * VM pays for its own RAM. If it cannot join, that is warned of once, and the
 * work is done all the same. Blocking; call it before threads are started.
 */
#pragma once

#include "collapse/collapse-sweep.h"

typedef struct {
    int file;            /* the RAM file on tmpfs, open for writing */
    uint64_t offset;     /* where the block starts in it; 2 MiB aligned */
    uint64_t bytes;      /* length of the block */
    uint8_t *wanted;     /* one byte per whole extent, non-zero: lay it */
    uint8_t *laid;       /* out: one byte per whole extent, non-zero: huge */
} CollapseLayBlock;

typedef struct {
    uint64_t laid_extents;
    uint64_t failed_extents;
    uint64_t ns;
    bool charged_to_target; /* false: the child could not join the cgroup */
    CollapseErrors errors;
} CollapseLayResult;

/* Called at the start and about ten times a second meanwhile with the number of extents that have
 * been tried. False: stop, which is CANCELLED. */
typedef bool (*CollapseLayWatch)(uint64_t tried, gpointer data);

/* Lays all wanted extents of N blocks, which have to be holes: the caller has
 * punched the file. An extent that cannot be had is left a hole (nothing is
 * allocated there) and counted; 64 refusals in a row for one reason end the
 * trying. A tail shorter than an extent is never laid, wanted or not, and its
 * byte (if the arrays have one) is neither read nor written.
 * Fails if no child could do the work, or if it was killed (out of memory):
 * then RESULT and LAID tell the truth about how far it came, and the caller
 * may go on with small extents. */
bool collapse_lay(const CollapseLayBlock *blocks, unsigned n, pid_t target,
                  CollapseLayResult *result, GError **error);

/* The same, watched. */
bool collapse_lay_watched(const CollapseLayBlock *blocks, unsigned n,
                          pid_t target, CollapseLayWatch watch, gpointer data,
                          CollapseLayResult *result, GError **error);
