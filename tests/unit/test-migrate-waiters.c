/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Times of outstanding faults: each settled once, none invented.
 */
#include "migrate/pages/migrate-waiters.h"

#include <glib.h>

static void
note_and_settle(void)
{
    g_autofree MigrateWaiters *w = g_new0(MigrateWaiters, 1);
    uint64_t since = 0;
    g_assert_false(migrate_waiters_settle(w, 0, 0, &since));
    migrate_waiters_note(w, 0, 0, 100);
    migrate_waiters_note(w, 3, 0, 300);
    migrate_waiters_note(w, 0, 0, 200); /* a second vCPU, the same page */
    g_assert_cmpuint(migrate_waiters_count(w), ==, 2);
    g_assert_false(migrate_waiters_settle(w, 0, 1, &since));
    g_assert_true(migrate_waiters_settle(w, 0, 0, &since));
    g_assert_cmpuint(since, ==, 100);
    g_assert_false(migrate_waiters_settle(w, 0, 0, &since));
    g_assert_true(migrate_waiters_settle(w, 3, 0, &since));
    g_assert_cmpuint(since, ==, 300);
    g_assert_cmpuint(migrate_waiters_count(w), ==, 0);
    g_assert_cmpuint(w->unmeasured, ==, 0);
}

/* More pages than slots: what finds no room is counted, and what was noted
 * keeps its own time. */
static void
crowded(void)
{
    g_autofree MigrateWaiters *w = g_new0(MigrateWaiters, 1);
    uint64_t since;
    unsigned settled = 0;
    for (uint64_t page = 0; page < 10000; page++) {
        migrate_waiters_note(w, 7, page << 20 | page, page + 1);
    }
    unsigned noted = migrate_waiters_count(w);
    g_assert_cmpuint(noted, <=, MIGRATE_WAITERS_SLOTS);
    g_assert_cmpuint(noted + w->unmeasured, ==, 10000);
    for (uint64_t page = 0; page < 10000; page++) {
        if (migrate_waiters_settle(w, 7, page << 20 | page, &since)) {
            g_assert_cmpuint(since, ==, page + 1);
            settled++;
        }
    }
    g_assert_cmpuint(settled, ==, noted);
}

#define ROUNDS 200000u
#define PAGES 64u

typedef struct {
    MigrateWaiters *waiters;
    _Atomic unsigned settled;
    _Atomic bool over;
} Job;

static gpointer
settle(gpointer data)
{
    Job *job = data;
    for (unsigned i = 0; !job->over || i % PAGES; i++) {
        uint64_t since;
        if (migrate_waiters_settle(job->waiters, 1, i % PAGES, &since)) {
            g_assert_cmpuint(since % PAGES, ==, i % PAGES);
            job->settled++;
        }
    }
    return NULL;
}

/* The fault thread notes, and settles what came meanwhile; two others settle
 * too. What was noted is settled once. */
static void
threads(void)
{
    g_autofree MigrateWaiters *w = g_new0(MigrateWaiters, 1);
    Job job = {.waiters = w};
    GThread *a = g_thread_new("a", settle, &job);
    GThread *b = g_thread_new("b", settle, &job);
    unsigned noted = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t since;
        /* Only a page that is not outstanding is new. */
        unsigned page = i * 7 % PAGES;
        if (migrate_waiters_settle(w, 1, page, &since)) {
            job.settled++;
        }
        uint64_t unmeasured = w->unmeasured;
        migrate_waiters_note(w, 1, page, (uint64_t)i * PAGES + page);
        noted += w->unmeasured == unmeasured;
    }
    job.over = true;
    g_thread_join(a);
    g_thread_join(b);
    g_assert_cmpuint(job.settled + migrate_waiters_count(w), ==, noted);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/waiters/note", note_and_settle);
    g_test_add_func("/waiters/crowded", crowded);
    g_test_add_func("/waiters/threads", threads);
    return g_test_run();
}
