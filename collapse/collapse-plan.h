/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which extent next: those never tried in the order of the plan, and between
 * them those whose pause after a refusal is over. Pure; the caller has the
 * clock.
 *
 * The order: extents that are full first, then the half full, then the rest,
 * each by address. What the guest touches most would be better, but no cheap
 * look from outside tells: the accessed bits have to be cleared to mean
 * anything, which costs the guest TLB misses all over its RAM, and idle page
 * tracking walks the reverse map page by page. Fullness costs nothing, and for
 * the same copy a full extent saves the most translations and takes no memory.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "collapse/collapse-extents.h"
#include "collapse/collapse-pace.h"

typedef struct CollapsePlan CollapsePlan;

/* Of EXTENTS those whose outcome is WAITING. EXTENTS stays the caller's. */
CollapsePlan *collapse_plan_new(GArray *extents);
void collapse_plan_free(CollapsePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapsePlan, collapse_plan_free)

/* The index of the extent to try at NOW_NS. False if there is none now: *WAIT_NS
 * says how long until there is one, 0 that the plan is done. */
bool collapse_plan_next(CollapsePlan *plan, uint64_t now_ns, guint *index,
                        uint64_t *wait_ns);

/* The last one given out ended in ERRNUM: comes back after a pause, or not
 * (false) if RETRY allows no more tries. */
bool collapse_plan_again(CollapsePlan *plan, const CollapseRetry *retry,
                         int errnum, uint64_t now_ns);

/* Extents that wait in the plan, those given out not counted. */
guint collapse_plan_left(const CollapsePlan *plan);
