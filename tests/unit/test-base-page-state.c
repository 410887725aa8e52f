/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One page, everything that can happen to it. Each operation takes effect at
 * one atomic instruction, so running whole operations in every order of two
 * threads is every interleaving there is; the threads at the end are for the
 * compiler, the CPU and the thread sanitizer.
 */
#include "base/page-state.h"

#include <glib.h>
#include <string.h>


static void
transitions(void)
{
    for (unsigned flags = 0; flags < 16; flags += 4) {
        for (unsigned from = PAGE_ABSENT; from <= PAGE_PRESENT; from++) {
            PageState s = (uint8_t)(from | flags);
            g_assert_cmpuint(page_state_get(&s), ==, from);
            g_assert_cmpint(page_state_claim(&s), ==, from == PAGE_ABSENT);
            g_assert_cmpuint(page_state_get(&s), ==,
                             from == PAGE_ABSENT ? PAGE_FILLING : from);
            g_assert_cmpuint(s & 12u, ==, flags);

            s = (uint8_t)(from | flags);
            bool ask = true;
            g_assert_cmpuint(page_state_want(&s, &ask), ==, from);
            g_assert_cmpint(ask, ==, from == PAGE_ABSENT &&
                                         !(flags & PAGE_ASKED));
            g_assert_cmpint(!!(s & PAGE_WANTED), ==,
                            from != PAGE_PRESENT || (flags & PAGE_WANTED));

            s = (uint8_t)(from | flags);
            bool again = page_state_unask(&s);
            g_assert_cmpint(again, ==, from == PAGE_ABSENT &&
                                           (flags & PAGE_WANTED));
            g_assert_false(s & PAGE_ASKED);
        }
        PageState s = (uint8_t)(PAGE_FILLING | flags);
        g_assert_cmpint(page_state_finish(&s), ==, !!(flags & PAGE_WANTED));
        g_assert_cmpuint(s, ==, PAGE_PRESENT);
        s = (uint8_t)(PAGE_FILLING | flags);
        g_assert_cmpint(page_state_give_up(&s), ==, !!(flags & PAGE_WANTED));
        g_assert_cmpuint(s, ==, flags & PAGE_WANTED);
    }
}

static void
runs(void)
{
    PageState s[8] = {0, 0, 2, 2, 6, 1, 0, 2};
    g_assert_cmpuint(page_state_run(s, 0, 8, PAGE_ABSENT), ==, 2);
    g_assert_cmpuint(page_state_run(s, 2, 6, PAGE_PRESENT), ==, 3);
    g_assert_cmpuint(page_state_run(s, 2, 2, PAGE_PRESENT), ==, 2);
    g_assert_cmpuint(page_state_run(s, 5, 3, PAGE_PRESENT), ==, 0);
    g_assert_cmpuint(page_state_run(s, 7, 0, PAGE_PRESENT), ==, 0);
}

/* What a thread does, in letters: c claim, f finish, g give up (both only if
 * the page is ours), w want. */
typedef struct {
    bool owns;
} Actor;

typedef struct {
    PageState state;
    unsigned owners, wants, mapped_by_want, woken, asked, reasks;
    bool finished;
} World;

static void
step(World *w, Actor *a, char what)
{
    bool ask;
    if (what == 'c' && page_state_claim(&w->state)) {
        g_assert_cmpuint(w->owners, ==, 0); /* never two at once */
        g_assert_false(w->finished);        /* never again when PRESENT */
        w->owners++;
        a->owns = true;
    } else if (what == 'f' && a->owns) {
        w->woken += page_state_finish(&w->state);
        w->owners--;
        w->finished = true;
        a->owns = false;
    } else if (what == 'g' && a->owns) {
        w->reasks += page_state_give_up(&w->state);
        w->owners--;
        a->owns = false;
    } else if (what == 'w') {
        w->wants++;
        if (page_state_want(&w->state, &ask) == PAGE_PRESENT) {
            g_assert_true(w->finished);
            w->mapped_by_want++;
        }
        w->asked += ask;
    }
}

/* The end: a last thread brings the page if it is still missing. Whoever
 * wanted it was served by his own want() or by a finish(); and while it is
 * wanted and missing, a question for it is under way. */
static void
settle(World *w)
{
    Actor last = {0};
    unsigned unserved = w->wants - w->mapped_by_want;
    if (!w->finished && unserved > 0) {
        g_assert_cmpuint(w->asked + w->reasks, >, 0);
    }
    step(w, &last, 'c');
    step(w, &last, 'f');
    g_assert_true(w->finished);
    g_assert_cmpuint(w->woken, ==, unserved > 0 ? 1 : 0);
}

/* All orders of the letters of A and B that keep each one's own order. */
static unsigned
explore(const char *a, const char *b, World w, Actor aa, Actor bb)
{
    unsigned n = 0;
    if (!*a && !*b) {
        settle(&w);
        return 1;
    }
    if (*a) {
        World next = w;
        Actor actor = aa;
        step(&next, &actor, *a);
        n += explore(a + 1, b, next, actor, bb);
    }
    if (*b) {
        World next = w;
        Actor actor = bb;
        step(&next, &actor, *b);
        n += explore(a, b + 1, next, aa, actor);
    }
    return n;
}

static void
every_interleaving(void)
{
    static const char *const scripts[] = {
        "",     "w",    "cf",   "cg",    "ww",    "wcf",
        "cwf",  "cwg",  "cgcf", "wcgcf", "cgwcf", "cgcgcf",
        "wcfw", "cfw",  "wcgw",
    };
    unsigned n = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(scripts); j++) {
            n += explore(scripts[i], scripts[j], (World){0}, (Actor){0},
                         (Actor){0});
        }
    }
    g_test_message("%u interleavings", n);
    g_assert_cmpuint(n, >, 5000);
}

#define PAGES 20000u

typedef struct {
    PageState *states;
    uint32_t *bytes; /* plain memory that only the claimer may write */
    _Atomic uint8_t *served;
    unsigned seed;
} Stress;

/* Fills every page, giving some up half-way first. */
static gpointer
fill(gpointer data)
{
    Stress *s = data;
    unsigned seed = s->seed;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            if (!page_state_claim(&s->states[i])) {
                continue;
            }
            s->bytes[i] = i ^ 0xdead;
            seed = seed * 1103515245u + 12345u;
            if (round < 2 && seed >> 30 == 0) {
                page_state_give_up(&s->states[i]);
                continue;
            }
            s->bytes[i] = i;
            if (page_state_finish(&s->states[i])) {
                g_assert_cmpuint(s->served[i]++, ==, 0);
            }
        }
    }
    return NULL;
}

static gpointer
want(gpointer data)
{
    Stress *s = data;
    bool ask;
    for (unsigned i = PAGES; i-- > 0;) {
        if (page_state_want(&s->states[i], &ask) == PAGE_PRESENT) {
            g_assert_cmpuint(s->bytes[i], ==, i);
            g_assert_cmpuint(s->served[i]++, ==, 0);
        }
    }
    return NULL;
}

static void
threads(void)
{
    for (unsigned round = 0; round < 20; round++) {
        g_autofree PageState *states = g_malloc0(PAGES);
        g_autofree _Atomic uint8_t *served = g_malloc0(PAGES);
        g_autofree uint32_t *bytes = g_new0(uint32_t, PAGES);
        Stress a = {states, bytes, served, round}, b = a;
        b.seed += 77;
        GThread *ts[] = {g_thread_new("a", fill, &a),
                         g_thread_new("b", fill, &b),
                         g_thread_new("want", want, &a)};
        for (unsigned i = 0; i < G_N_ELEMENTS(ts); i++) {
            g_thread_join(ts[i]);
        }
        for (unsigned i = 0; i < PAGES; i++) {
            g_assert_cmpuint(states[i], ==, PAGE_PRESENT);
            g_assert_cmpuint(bytes[i], ==, i);
            g_assert_cmpuint(served[i], ==, 1);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-state/transitions", transitions);
    g_test_add_func("/page-state/runs", runs);
    g_test_add_func("/page-state/interleavings", every_interleaving);
    g_test_add_func("/page-state/threads", threads);
    return g_test_run();
}
