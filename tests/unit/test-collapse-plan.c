/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of a sweep, and when a refused extent comes back.
 */
#include <errno.h>

#include "collapse/collapse-plan.h"

#define MS UINT64_C(1000000)

static const CollapseRetry retry = {
    .tries = 3, .first_ns = 50 * MS, .most_ns = 1000 * MS};

static GArray *
extents_of(const uint16_t *pages, guint n)
{
    GArray *extents = g_array_new(false, true, sizeof(CollapseExtent));
    for (guint i = 0; i < n; i++) {
        CollapseExtent e = {.hva = i * EXTENT_BYTES, .pages = pages[i]};
        e.outcome = pages[i] ? COLLAPSE_OUTCOME_WAITING
                             : COLLAPSE_OUTCOME_EMPTY;
        g_array_append_val(extents, e);
    }
    return extents;
}

static void
the_fullest_first(void)
{
    static const uint16_t pages[] = {1, 512, 0, 300, 512, 256, 255};
    static const guint order[] = {1, 4, 3, 5, 0, 6};
    g_autoptr(GArray) extents = extents_of(pages, G_N_ELEMENTS(pages));
    g_autoptr(CollapsePlan) plan = collapse_plan_new(extents);
    guint index;
    uint64_t wait;
    g_assert_cmpuint(collapse_plan_left(plan), ==, G_N_ELEMENTS(order));
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_true(collapse_plan_next(plan, 0, &index, &wait));
        g_assert_cmpuint(index, ==, order[i]);
    }
    g_assert_false(collapse_plan_next(plan, 0, &index, &wait));
    g_assert_cmpuint(wait, ==, 0);
}

static void
a_refused_one_comes_back_when_it_is_due(void)
{
    static const uint16_t pages[] = {512, 512};
    g_autoptr(GArray) extents = extents_of(pages, 2);
    g_autoptr(CollapsePlan) plan = collapse_plan_new(extents);
    guint index;
    uint64_t wait;
    collapse_plan_next(plan, 1000 * MS, &index, &wait);
    g_assert_true(collapse_plan_again(plan, &retry, EAGAIN, 1000 * MS));
    /* Nobody waits for it: the other one is next. */
    g_assert_true(collapse_plan_next(plan, 1010 * MS, &index, &wait));
    g_assert_cmpuint(index, ==, 1);
    g_assert_false(collapse_plan_next(plan, 1020 * MS, &index, &wait));
    g_assert_cmpuint(wait, ==, 30 * MS);
    g_assert_true(collapse_plan_next(plan, 1050 * MS, &index, &wait));
    g_assert_cmpuint(index, ==, 0);
    /* The second pause is longer, and there is no third. */
    g_assert_true(collapse_plan_again(plan, &retry, EAGAIN, 1050 * MS));
    g_assert_false(collapse_plan_next(plan, 1050 * MS, &index, &wait));
    g_assert_cmpuint(wait, ==, 100 * MS);
    g_assert_true(collapse_plan_next(plan, 1150 * MS, &index, &wait));
    g_assert_false(collapse_plan_again(plan, &retry, EAGAIN, 1150 * MS));
    g_assert_cmpuint(collapse_plan_left(plan), ==, 0);
}

static void
what_is_due_goes_before_what_is_new(void)
{
    static const uint16_t pages[] = {512, 512, 512};
    g_autoptr(GArray) extents = extents_of(pages, 3);
    g_autoptr(CollapsePlan) plan = collapse_plan_new(extents);
    guint index;
    uint64_t wait;
    collapse_plan_next(plan, 0, &index, &wait);
    collapse_plan_again(plan, &retry, ENOMEM, 0);
    g_assert_true(collapse_plan_next(plan, 60 * MS, &index, &wait));
    g_assert_cmpuint(index, ==, 0);
    g_assert_true(collapse_plan_next(plan, 60 * MS, &index, &wait));
    g_assert_cmpuint(index, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-plan/order", the_fullest_first);
    g_test_add_func("/collapse-plan/again",
                    a_refused_one_comes_back_when_it_is_due);
    g_test_add_func("/collapse-plan/due", what_is_due_goes_before_what_is_new);
    return g_test_run();
}
