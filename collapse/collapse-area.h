/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An area: the part of one mapping of a process that is to be huge, and what
 * keeps it from being so that can be seen before anything is tried. The choice
 * of areas is pure; only collapse_area_facts() looks at a process.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/proc-maps.h"
#include "base/range.h"
#include "collapse/collapse-outcome.h"

typedef struct {
    uint64_t hva;     /* of the first whole extent */
    uint64_t extents; /* whole extents from there on */
    uint64_t offset;  /* of HVA in the file, if there is one */
    uint64_t inode;   /* 0: anonymous */
    unsigned dev_major, dev_minor;
    bool shared;
    uint64_t huge_bytes;       /* when it was last looked at; if by smaps, of
                                  the whole mapping */
    CollapseOutcome hindrance; /* COLLAPSE_OUTCOME_WAITING: none */
} CollapseArea;

/* What holds for all memory of a process. */
typedef struct {
    bool thp_disabled; /* THP_enabled: 0 in /proc/PID/status (Linux 5.0) */
    bool shmem_denied; /* shmem_enabled is deny */
} CollapseFacts;

void collapse_area_facts(pid_t pid, CollapseFacts *facts);

/* The ranges that look like guest RAM when no monitor tells: the largest
 * writable mapping of data, those of at least an eighth of its size, and those
 * of at least 128 MiB for which QEMU has asked for huge pages (small DIMMs).
 * What a device has behind it is no data. GArray of Range. MAPPINGS:
 * ProcMapping, in order; of smaps, maps does not tell the last two. */
GArray *collapse_area_largest(GArray *mappings);

/* All writable mappings of data of at least one extent. */
GArray *collapse_area_all(GArray *mappings);

/* The range of a block of BYTES of which only the size is known (QEMU before
 * 8.0): every mapping, or run of adjoining ones, of that size is appended to
 * RANGES. False if there is none. It does not matter which is which. */
bool collapse_area_by_size(GArray *mappings, uint64_t bytes, GArray *ranges);

/* MAPPINGS (of smaps) cut to RANGES, with what hinders each: GArray of
 * CollapseArea, in order of address. Pieces without a whole extent are left
 * out. */
GArray *collapse_area_list(GArray *mappings, GArray *ranges,
                           const CollapseFacts *facts);
