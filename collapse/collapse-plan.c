/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Order and second tries: see collapse-plan.h.
 */
#include "collapse/collapse-plan.h"

typedef struct {
    guint index;
    unsigned tried;
    uint64_t due_ns; /* not before; 0: never tried */
} Item;

struct CollapsePlan {
    GArray *fresh; /* Item, in order */
    guint next;    /* in FRESH */
    GArray *again; /* Item, any order: they are few */
    Item current;
};

/* 0 is the best. */
static unsigned
plan_rank(const CollapseExtent *extent)
{
    if (extent->pages >= PAGES_PER_EXTENT) {
        return 0;
    }
    return extent->pages >= PAGES_PER_EXTENT / 2 ? 1 : 2;
}

CollapsePlan *
collapse_plan_new(GArray *extents)
{
    CollapsePlan *plan = g_new0(CollapsePlan, 1);
    plan->fresh = g_array_new(false, true, sizeof(Item));
    plan->again = g_array_new(false, true, sizeof(Item));
    for (unsigned r = 0; r <= 2; r++) {
        for (guint i = 0; i < extents->len; i++) {
            const CollapseExtent *e =
                &g_array_index(extents, CollapseExtent, i);
            if (e->outcome == COLLAPSE_OUTCOME_WAITING && plan_rank(e) == r) {
                Item item = {.index = i};
                g_array_append_val(plan->fresh, item);
            }
        }
    }
    return plan;
}

void
collapse_plan_free(CollapsePlan *plan)
{
    if (plan) {
        g_array_unref(plan->fresh);
        g_array_unref(plan->again);
        g_free(plan);
    }
}

static bool
find_due(const CollapsePlan *plan, guint *at, uint64_t *due_ns)
{
    for (guint i = 0; i < plan->again->len; i++) {
        uint64_t due = g_array_index(plan->again, Item, i).due_ns;
        if (i == 0 || due < *due_ns) {
            *at = i;
            *due_ns = due;
        }
    }
    return plan->again->len > 0;
}

bool
collapse_plan_next(CollapsePlan *plan, uint64_t now_ns, guint *index,
                   uint64_t *wait_ns)
{
    guint at = 0;
    uint64_t due_ns = 0;
    bool again = find_due(plan, &at, &due_ns);
    *wait_ns = 0;
    if (again && due_ns <= now_ns) {
        plan->current = g_array_index(plan->again, Item, at);
        g_array_remove_index_fast(plan->again, at);
    } else if (plan->next < plan->fresh->len) {
        plan->current = g_array_index(plan->fresh, Item, plan->next++);
    } else {
        *wait_ns = again ? due_ns - now_ns : 0;
        return false;
    }
    plan->current.tried++;
    *index = plan->current.index;
    return true;
}

bool
collapse_plan_again(CollapsePlan *plan, const CollapseRetry *retry,
                    int errnum, uint64_t now_ns)
{
    uint64_t pause_ns;
    if (!collapse_retry_after(retry, errnum, plan->current.tried, &pause_ns)) {
        return false;
    }
    plan->current.due_ns = now_ns + pause_ns;
    g_array_append_val(plan->again, plan->current);
    return true;
}

guint
collapse_plan_left(const CollapsePlan *plan)
{
    return plan->fresh->len - plan->next + plan->again->len;
}
