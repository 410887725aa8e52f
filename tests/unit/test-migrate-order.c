/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which extent next: each once, hot before cold, whoever asks.
 */
#include "migrate/send/migrate-order.h"

#define BLOCKS 3
static const uint32_t extents[BLOCKS] = {40, 1, 25};
#define ALL 66

static MigrateOrder *
full(void)
{
    MigrateOrder *order = migrate_order_new(extents, BLOCKS);
    for (unsigned b = 0; b < BLOCKS; b++) {
        for (uint32_t e = 0; e < extents[b]; e++) {
            migrate_order_offer(order, b, e);
        }
    }
    return order;
}

static void
assert_next(MigrateOrder *order, unsigned block, uint32_t extent)
{
    unsigned b = 99;
    uint32_t e = 99;
    g_assert_true(migrate_order_next(order, &b, &e));
    g_assert_cmpuint(b, ==, block);
    g_assert_cmpuint(e, ==, extent);
}

static void
in_ascending_order(void)
{
    g_autoptr(MigrateOrder) order = full();
    unsigned b, left = ALL;
    uint32_t e;
    g_assert_cmpuint(migrate_order_left(order), ==, ALL);
    for (unsigned block = 0; block < BLOCKS; block++) {
        for (uint32_t extent = 0; extent < extents[block]; extent++) {
            assert_next(order, block, extent);
            g_assert_cmpuint(migrate_order_left(order), ==, --left);
        }
    }
    g_assert_false(migrate_order_next(order, &b, &e));
}

static void
hot_before_cold(void)
{
    g_autoptr(MigrateOrder) order = full();
    assert_next(order, 0, 0);
    migrate_order_heat(order, 2, 24);
    migrate_order_heat(order, 0, 7);
    migrate_order_heat(order, 2, 24); /* hot already */
    migrate_order_heat(order, 0, 0);  /* gone */
    assert_next(order, 2, 24);
    assert_next(order, 0, 7);
    migrate_order_heat(order, 0, 7);
    for (uint32_t e = 1; e < extents[0]; e++) {
        if (e != 7) {
            assert_next(order, 0, e);
        }
    }
    assert_next(order, 1, 0);
}

static void
only_what_was_offered(void)
{
    g_autoptr(MigrateOrder) order = migrate_order_new(extents, BLOCKS);
    unsigned b;
    uint32_t e;
    migrate_order_heat(order, 0, 3);
    g_assert_false(migrate_order_next(order, &b, &e));
    migrate_order_offer(order, 2, 9);
    migrate_order_offer(order, 2, 9);
    g_assert_cmpuint(migrate_order_left(order), ==, 1);
    assert_next(order, 2, 9);
    g_assert_false(migrate_order_next(order, &b, &e));
    /* Behind where the walk stands by now. */
    migrate_order_offer(order, 0, 3);
    assert_next(order, 0, 3);
    g_assert_false(migrate_order_next(order, &b, &e));
}

/* The ring of hot extents is used over and over. */
static void
everything_hot_many_times(void)
{
    g_autoptr(MigrateOrder) order = full();
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned b = BLOCKS; b-- > 0;) {
            for (uint32_t e = extents[b]; e-- > 0;) {
                migrate_order_heat(order, b, e);
            }
        }
        for (unsigned b = BLOCKS; b-- > 0;) {
            for (uint32_t e = extents[b]; e-- > 0;) {
                assert_next(order, b, e);
                migrate_order_offer(order, b, e);
            }
        }
    }
}

typedef struct {
    MigrateOrder *order;
    _Atomic unsigned *taken; /* ALL of them */
} Job;

static gpointer
take(gpointer data)
{
    static const unsigned base[BLOCKS] = {0, 40, 41};
    Job *job = data;
    unsigned b;
    uint32_t e;
    while (migrate_order_next(job->order, &b, &e)) {
        job->taken[base[b] + e]++;
        migrate_order_heat(job->order, (b + 1) % BLOCKS,
                           e % extents[(b + 1) % BLOCKS]);
    }
    return NULL;
}

static void
each_once_whoever_asks(void)
{
    for (unsigned round = 0; round < 300; round++) {
        g_autoptr(MigrateOrder) order = full();
        _Atomic unsigned taken[ALL] = {0};
        Job job = {order, taken};
        GThread *threads[4];
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
            threads[i] = g_thread_new("take", take, &job);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
            g_thread_join(threads[i]);
        }
        for (unsigned i = 0; i < ALL; i++) {
            g_assert_cmpuint(taken[i], ==, 1);
        }
        g_assert_cmpuint(migrate_order_left(order), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/order/ascending", in_ascending_order);
    g_test_add_func("/order/hot", hot_before_cold);
    g_test_add_func("/order/offered", only_what_was_offered);
    g_test_add_func("/order/ring", everything_hot_many_times);
    g_test_add_func("/order/threads", each_once_whoever_asks);
    return g_test_run();
}
