/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How much of a range of another process is mapped by huge pages, now.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collapse/collapse-area.h"

typedef struct {
    uint64_t rss_bytes;  /* present in the page tables */
    uint64_t huge_bytes; /* of these, mapped by 2 MiB entries */
} CollapseCoverage;

/* Adds up the mappings of PID that overlap [HVA, HVA + BYTES), from smaps
 * (Rss; AnonHugePages + ShmemPmdMapped + FilePmdMapped). Whole mappings are
 * counted, so give it the bounds of a RAM block. VM_GONE: no such process;
 * STATE: nothing is mapped there. */
bool collapse_account_range(pid_t pid, uint64_t hva, uint64_t bytes,
                            CollapseCoverage *coverage, GError **error);

/* Brings HUGE_BYTES of AREAS up to date, in the same way: what smaps said when
 * they were cut is history after a sweep. Of a process that is gone they stay
 * as they are. Walks the page tables once per area. */
void collapse_account_areas(pid_t pid, GArray *areas);
