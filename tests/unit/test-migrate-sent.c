/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was sent already: each page is taken by exactly one.
 */
#include "migrate/send/migrate-sent.h"

#include <string.h>

#include "base/range.h"

#define PAGES 1100 /* two extents and a bit */

static MigrateBlock blocks[2] = {
    {.pages = 512, .extents = 1}, {.pages = PAGES, .extents = 3}};
static const MigrateRam ram = {.blocks = blocks, .n_blocks = 2};

static void
one_by_one(void)
{
    g_autoptr(MigrateSent) sent = migrate_sent_new(&ram);
    for (uint64_t page = 0; page < PAGES; page++) {
        g_assert_true(migrate_sent_take(sent, 1, page));
        g_assert_false(migrate_sent_take(sent, 1, page));
    }
    g_assert_true(migrate_sent_take(sent, 0, 511));
}

static void
a_whole_extent(void)
{
    g_autoptr(MigrateSent) sent = migrate_sent_new(&ram);
    uint64_t taken[8];
    g_assert_true(migrate_sent_take(sent, 1, 512 + 70));
    migrate_sent_take_extent(sent, 1, 1, taken);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(taken[i], ==,
                        i == 1 ? ~(UINT64_C(1) << 6) : UINT64_MAX);
    }
    g_assert_false(migrate_sent_take(sent, 1, 512));
    g_assert_false(migrate_sent_take(sent, 1, 1023));
    g_assert_true(migrate_sent_take(sent, 1, 511));
    g_assert_true(migrate_sent_take(sent, 1, 1024));
    migrate_sent_take_extent(sent, 1, 1, taken);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(taken[i], ==, 0);
    }
}

typedef struct {
    MigrateSent *sent;
    _Atomic unsigned *times;
} Job;

static gpointer
urgent(gpointer data)
{
    Job *job = data;
    for (uint64_t page = PAGES; page-- > 0;) {
        job->times[page] += migrate_sent_take(job->sent, 1, page);
    }
    return NULL;
}

static gpointer
bulk(gpointer data)
{
    Job *job = data;
    for (uint32_t e = 0; e < 3; e++) {
        uint64_t taken[8];
        migrate_sent_take_extent(job->sent, 1, e, taken);
        for (unsigned i = 0; i < 512 && e * 512 + i < PAGES; i++) {
            job->times[e * 512 + i] += taken[i / 64] >> (i % 64) & 1;
        }
    }
    return NULL;
}

static void
threads(void)
{
    for (unsigned round = 0; round < 200; round++) {
        g_autoptr(MigrateSent) sent = migrate_sent_new(&ram);
        _Atomic unsigned times[PAGES] = {0};
        Job job = {sent, times};
        GThread *a = g_thread_new("urgent", urgent, &job);
        GThread *b = g_thread_new("bulk", bulk, &job);
        GThread *c = g_thread_new("bulk", bulk, &job);
        g_thread_join(a);
        g_thread_join(b);
        g_thread_join(c);
        for (unsigned i = 0; i < PAGES; i++) {
            g_assert_cmpuint(times[i], ==, 1);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sent/pages", one_by_one);
    g_test_add_func("/sent/extent", a_whole_extent);
    g_test_add_func("/sent/threads", threads);
    return g_test_run();
}
