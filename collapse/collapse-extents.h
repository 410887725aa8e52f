/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What each extent of a process holds now: nothing, small pages, or one huge
 * page. From Linux 6.7 by PAGEMAP_SCAN, which tells huge mappings apart and
 * steps over them; before, by reading /proc/PID/pagemap, where only smaps tells
 * how much of a whole mapping is huge. Memory that was only read holds nothing,
 * whichever zero page it has (collapse-zero.h).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collapse/collapse-area.h"

typedef struct {
    uint64_t hva;
    uint32_t area;    /* index in the array of areas */
    uint16_t pages;   /* that hold data: in the page tables or swapped out */
    uint8_t outcome;  /* CollapseOutcome: WAITING, ALREADY, EMPTY or why not */
    uint8_t errnum;   /* of the last refusal, 0: none */
} CollapseExtent;

typedef struct {
    uint64_t extents;
    uint64_t populated; /* extents that hold data */
    uint64_t huge;      /* of these, mapped huge */
} CollapseCount;

/* Looks at the page tables of PID: one CollapseExtent for each extent of AREAS,
 * in order. Extents of a hindered area get its hindrance as outcome (but for
 * those that are empty or huge all the same). Where PAGEMAP_SCAN tells, sets
 * HUGE_BYTES of AREAS to what it saw; before Linux 6.7 they are taken for true:
 * see collapse_account_areas(). VM_GONE: no such process. */
GArray *collapse_extents_look(pid_t pid, GArray *areas, GError **error);

/* The same as where PAGEMAP_SCAN takes the huge zero page for data (Linux 6.7
 * to 6.15): by its frames, whatever the kernel can do. */
GArray *collapse_extents_look_frames(pid_t pid, GArray *areas,
                                     GError **error);

/* The same by pagemap and smaps, whatever the kernel can do. */
GArray *collapse_extents_look_old(pid_t pid, GArray *areas, GError **error);

/* Whether this kernel has PAGEMAP_SCAN (Linux 6.7). */
bool collapse_extents_can_scan(void);

/* EXTENTS as they were looked at in AREAS, and worked on since. */
void collapse_extents_count(GArray *extents, GArray *areas,
                            CollapseCount *count);
