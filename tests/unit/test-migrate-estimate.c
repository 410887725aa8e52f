/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rate and the estimate: right while bytes flow evenly, and none at all when
 * nothing moves, instead of one that grows without bound.
 */
#include "migrate/show/migrate-estimate.h"

#include <glib.h>

#define SECOND UINT64_C(1000000000)

static void
flow(MigrateEstimate *e, uint64_t *now, uint64_t *bytes, unsigned ticks,
     uint64_t per_tick)
{
    for (unsigned i = 0; i < ticks; i++) {
        *now += SECOND / 10;
        *bytes += per_tick;
        migrate_estimate_update(e, *now, *bytes);
    }
}

static void
even_flow(void)
{
    MigrateEstimate e = {0};
    uint64_t now = SECOND, bytes = 0;
    double seconds = 0;
    g_assert_false(migrate_estimate_left(&e, 1, &seconds));
    flow(&e, &now, &bytes, 50, 1000);
    g_assert_cmpfloat_with_epsilon(e.rate, 10000, 1);
    g_assert_true(migrate_estimate_left(&e, 20000, &seconds));
    g_assert_cmpfloat_with_epsilon(seconds, 2, 0.01);
}

static void
stands_still(void)
{
    MigrateEstimate e = {0};
    uint64_t now = SECOND, bytes = 0;
    double seconds = 0;
    flow(&e, &now, &bytes, 50, 100000000);
    flow(&e, &now, &bytes, 20, 0);
    g_assert_cmpfloat(e.rate, ==, 0);
    for (unsigned i = 0; i < 1000; i++) {
        flow(&e, &now, &bytes, 10, 0);
        g_assert_false(migrate_estimate_left(&e, UINT64_C(1) << 40, &seconds));
    }
    flow(&e, &now, &bytes, 50, 1000); /* and goes on */
    g_assert_true(migrate_estimate_left(&e, 20000, &seconds));
    g_assert_cmpfloat_with_epsilon(seconds, 2, 0.1);
}

/* A byte now and then is not a rate either. */
static void
days(void)
{
    MigrateEstimate e = {0};
    uint64_t now = SECOND, bytes = 0;
    double seconds = 0;
    flow(&e, &now, &bytes, 50, 1);
    g_assert_false(migrate_estimate_left(&e, UINT64_C(1) << 40, &seconds));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/estimate/even-flow", even_flow);
    g_test_add_func("/estimate/stands-still", stands_still);
    g_test_add_func("/estimate/days", days);
    return g_test_run();
}
