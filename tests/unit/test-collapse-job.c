/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A sweep against a kernel that answers as it is told to: each errno leads to
 * the right tries, the right end and the right words. Time is made up.
 */
#include <errno.h>
#include <string.h>

#include "collapse/collapse-job.h"

#define MS UINT64_C(1000000)
#define EXTENTS 40

/* Answers ERRNUM for the extents in [FROM, TO), the first TIMES times each. */
typedef struct {
    int errnum;
    guint from, to;
    unsigned times;
    unsigned asked[EXTENTS], together_max, compactions;
    bool may_compact;
    uint64_t now_ns, call_ns, rested_ns, prefault_ns;
    unsigned prefaults, rests;
    uint64_t taken_bytes; /* by extents that were not full */
    guint stop_after; /* calls; 0: never */
    guint gone_after; /* the same: the process ends */
    uint64_t compaction_ns, compacted_ns; /* how long it takes; its end */
    guint unmapped_from;                  /* 0: all is mapped */
    guint sparse_from;                    /* half filled; 0: all are full */
    uint64_t margin_bytes;                /* 0: no limit */
    guint calls;
    CollapseOutcome meaning;
} Script;

static int
scripted_collapse(gpointer data, uint64_t hva, uint64_t n)
{
    Script *s = data;
    int result = 0;
    s->calls++;
    s->now_ns += s->call_ns;
    s->together_max = MAX(s->together_max, (unsigned)n);
    for (uint64_t i = hva / EXTENT_BYTES; i < hva / EXTENT_BYTES + n; i++) {
        g_assert_cmpuint(i, <, EXTENTS);
        s->asked[i]++;
        if (i >= s->from && i < s->to && s->asked[i] <= s->times) {
            result = s->errnum;
        }
    }
    s->taken_bytes += s->sparse_from && hva / EXTENT_BYTES >= s->sparse_from
                          ? EXTENT_BYTES / 2
                          : 0;
    return result;
}

static void
scripted_prefault(gpointer data)
{
    Script *s = data;
    s->prefaults++;
    s->now_ns += s->prefault_ns;
}

static CollapseOutcome
scripted_classify(gpointer data, uint64_t hva, int errnum)
{
    Script *s = data;
    g_assert_cmpint(errnum, ==, s->errnum);
    return s->meaning;
}

static bool
scripted_compact(gpointer data)
{
    Script *s = data;
    s->compactions++;
    s->compacted_ns = s->now_ns + s->compaction_ns;
    return s->may_compact;
}

static bool
scripted_is_compacting(gpointer data)
{
    const Script *s = data;
    g_assert_true(s->may_compact);
    return s->now_ns < s->compacted_ns;
}

static uint64_t
scripted_now(gpointer data)
{
    return ((Script *)data)->now_ns;
}

/* The end of the process ends a rest; time goes on between two of them. */
static CollapseRest
scripted_rest(gpointer data, uint64_t ns)
{
    Script *s = data;
    bool gone = s->gone_after && s->calls >= s->gone_after;
    s->now_ns += gone ? 1 : ns;
    s->rested_ns += ns;
    s->rests++;
    if (s->stop_after && s->calls >= s->stop_after) {
        return COLLAPSE_REST_STOP;
    }
    return gone ? COLLAPSE_REST_GONE : COLLAPSE_REST_OVER;
}

static bool
scripted_is_mapped(gpointer data, uint64_t hva)
{
    const Script *s = data;
    return s->unmapped_from == 0 || hva / EXTENT_BYTES < s->unmapped_from;
}

/* Each extent that is made huge takes its part. */
static uint64_t
scripted_margin_bytes(gpointer data)
{
    const Script *s = data;
    return s->margin_bytes ? s->margin_bytes - s->taken_bytes : UINT64_MAX;
}

static GArray *
some_extents(const Script *s)
{
    GArray *extents = g_array_new(false, true, sizeof(CollapseExtent));
    for (guint i = 0; i < EXTENTS; i++) {
        CollapseExtent e = {.hva = i * EXTENT_BYTES, .pages = 512};
        if (s->sparse_from && i >= s->sparse_from) {
            e.pages = 256;
        }
        g_array_append_val(extents, e);
    }
    return extents;
}

static guint
count(GArray *extents, CollapseOutcome outcome)
{
    guint n = 0;
    for (guint i = 0; i < extents->len; i++) {
        n += g_array_index(extents, CollapseExtent, i).outcome == outcome;
    }
    return n;
}

static GArray *
run_with(Script *s, const CollapseJobOptions *options, CollapseResult *result)
{
    const CollapseSeam seam = {.collapse = scripted_collapse,
                               .prefault = scripted_prefault,
                               .classify = scripted_classify,
                               .compact = scripted_compact,
                               .now_ns = scripted_now,
                               .is_compacting = scripted_is_compacting,
                               .rest = scripted_rest,
                               .is_mapped = scripted_is_mapped,
                               .margin_bytes = scripted_margin_bytes,
                               .data = s};
    GArray *extents = some_extents(s);
    CollapseProgress progress = {0};
    s->now_ns = 1;
    s->call_ns = s->call_ns ? s->call_ns : MS;
    collapse_job_run(extents, options, &seam, &progress, result);
    g_assert_cmpuint(progress.total, ==, EXTENTS);
    g_assert_cmpuint(progress.huge, ==,
                     count(extents, COLLAPSE_OUTCOME_DONE));
    return extents;
}

static GArray *
run(Script *s, CollapseResult *result)
{
    CollapseJobOptions options;
    collapse_job_options_init(&options, false);
    return run_with(s, &options, result);
}

static void
all_goes_well(void)
{
    Script s = {0};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(result.calls, ==, EXTENTS);
    g_assert_cmpuint(s.together_max, ==, 1);
    g_assert_cmpuint(result.longest_call_ns, ==, MS);
    g_assert_cmpuint(collapse_errors_total(&result.errors), ==, 0);
    /* The default duty, to the millisecond. */
    double duty = (double)result.call_ns / (double)result.elapsed_ns;
    g_assert_cmpfloat_with_epsilon(duty, COLLAPSE_DUTY, 0.001);
}

static void
fast_never_rests(void)
{
    Script s = {0};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, true);
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpuint(s.rested_ns, ==, 0);
}

static void
eagain_is_tried_again(void)
{
    Script s = {.errnum = EAGAIN, .from = 3, .to = 5, .times = 4};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(s.asked[3], ==, 5);
    g_assert_cmpuint(collapse_errors_total(&result.errors), ==, 8);
}

static void
eagain_has_an_end(void)
{
    Script s = {.errnum = EAGAIN, .from = 3, .to = 4, .times = 1000,
                .meaning = COLLAPSE_OUTCOME_PINNED};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_PINNED), ==, 1);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS - 1);
    g_assert_cmpuint(s.asked[3], ==, 8);
    g_assert_cmpuint(g_array_index(extents, CollapseExtent, 3).errnum, ==,
                     EAGAIN);
    g_assert_cmpuint(g_array_index(extents, CollapseExtent, 4).errnum, ==, 0);
    /* 50 + 100 + ... + 3200 ms between them. */
    g_assert_cmpuint(result.elapsed_ns, >, 6300 * MS);
    g_assert_cmpuint(result.elapsed_ns, <, 8000 * MS);
}

static void
enomem_compacts_once_and_goes_on(void)
{
    Script s = {.errnum = ENOMEM, .from = 0, .to = 10, .times = 2,
                .may_compact = true};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(s.compactions, ==, 1);
    g_assert_true(result.compacted);
}

/* Every extent that was tried says so, and the others that they were not. */
static void
expect_said(const Script *s, GArray *extents, CollapseOutcome outcome)
{
    for (guint i = s->from; i < s->to; i++) {
        const CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
        g_assert_cmpuint(e->errnum, ==, s->asked[i] ? s->errnum : 0);
        g_assert_cmpuint(e->outcome, ==,
                         s->asked[i] ? outcome : COLLAPSE_OUTCOME_WAITING);
    }
    g_assert_cmpuint(count(extents, outcome), >, 0);
}

/* A machine without one free huge page: it ends in bounded time. */
static void
enomem_gives_up(void)
{
    Script s = {.errnum = ENOMEM, .from = 5, .to = EXTENTS, .times = 1000000,
                .may_compact = true, .meaning = COLLAPSE_OUTCOME_NO_MEMORY,
                .call_ns = 100 * MS};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_NO_MEMORY);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 5);
    expect_said(&s, extents, COLLAPSE_OUTCOME_NO_MEMORY);
    g_assert_cmpuint(result.elapsed_ns, <, 40000 * MS);
    g_assert_nonnull(strstr(collapse_result_words(&result), "compact"));
}

/* On a large host it takes minutes, in which nothing is tried and no time for
 * "no memory" runs out; but it can be stopped, and there is an end to it. */
static void
compaction_that_takes_its_time(void)
{
    Script s = {.errnum = ENOMEM, .to = 10, .times = 1, .may_compact = true,
                .compaction_ns = 100000 * MS};
    CollapseJobOptions options;
    CollapseResult result;
    g_autoptr(GArray) all = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(all, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(result.elapsed_ns, >, 100000 * MS);

    Script stopped = {.errnum = ENOMEM, .to = 10, .times = 1, .stop_after = 1,
                      .may_compact = true, .compaction_ns = 100000 * MS};
    g_autoptr(GArray) some = run(&stopped, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_STOPPED);
    g_assert_cmpuint(result.elapsed_ns, <, 1000 * MS);

    Script limited = {.errnum = ENOMEM, .to = 10, .times = 1,
                      .may_compact = true, .compaction_ns = 100000 * MS};
    collapse_job_options_init(&options, false);
    options.max_ns = 3000 * MS;
    g_autoptr(GArray) few = run_with(&limited, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_MAX_TIME);
    g_assert_cmpuint(result.elapsed_ns, <, 3200 * MS);

    Script endless = {.errnum = ENOMEM, .to = EXTENTS, .times = 1000000,
                      .may_compact = true, .compaction_ns = UINT64_MAX / 2,
                      .meaning = COLLAPSE_OUTCOME_NO_MEMORY};
    g_autoptr(GArray) none = run(&endless, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_NO_MEMORY);
    g_assert_cmpuint(endless.compactions, ==, 1);
}

/* Memory that was unplugged is no lack of memory. */
static void
enomem_of_what_is_not_mapped(void)
{
    Script s = {.errnum = ENOMEM, .from = 30, .to = EXTENTS, .times = 1000000,
                .may_compact = true, .unmapped_from = 30};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 30);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_UNMAPPED), ==,
                     EXTENTS - 30);
    g_assert_cmpuint(s.asked[30], ==, 1);
    g_assert_cmpuint(s.compactions, ==, 0);
}

/* Calls that fail at once: all tries are over before the time is. It makes no
 * difference to the one who reads how it ended; a success afterwards does. */
static void
enomem_of_a_small_guest(void)
{
    Script s = {.errnum = ENOMEM, .from = 0, .to = EXTENTS, .times = 1000000,
                .meaning = COLLAPSE_OUTCOME_NO_MEMORY, .call_ns = 1};
    CollapseResult result;
    g_autoptr(GArray) all = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_NO_MEMORY);
    g_assert_null(strstr(collapse_result_words(&result), "compact"));
    g_assert_cmpuint(result.elapsed_ns, <, 10000 * MS);
    g_assert_cmpuint(count(all, COLLAPSE_OUTCOME_NO_MEMORY), ==, EXTENTS);
}

static void
enomem_of_one_that_is_left_behind(void)
{
    Script s = {.errnum = ENOMEM, .from = 3, .to = 4, .times = 1000000,
                .meaning = COLLAPSE_OUTCOME_NO_MEMORY, .call_ns = 200 * MS};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, true);
    options.retry.tries = 1;
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_NO_MEMORY), ==, 1);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS - 1);
}

static void
compaction_that_is_not_allowed(void)
{
    Script s = {.errnum = ENOMEM, .from = 0, .to = 1, .times = 1};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_false(result.compacted);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
}

/* Every failed charge makes the kernel reclaim from the guest first. */
static void
a_full_cgroup_is_not_squeezed(void)
{
    Script s = {.errnum = EBUSY, .from = 10, .to = EXTENTS, .times = 1000,
                .meaning = COLLAPSE_OUTCOME_CGROUP};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_CGROUP);
    g_assert_cmpuint(collapse_errors_total(&result.errors), ==, 4);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 10);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_CGROUP), ==, 4);
    expect_said(&s, extents, COLLAPSE_OUTCOME_CGROUP);
}

/* There is room for five more, each half filled; what is full needs none. */
static void
growth_leaves_something(void)
{
    Script s = {.sparse_from = 20};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, false);
    s.margin_bytes = options.keep_bytes + 5 * EXTENT_BYTES / 2;
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(result.calls, ==, 25);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 25);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_NO_ROOM), ==, 15);
    g_assert_cmpuint(collapse_job_growth_bytes(
                         &g_array_index(extents, CollapseExtent, 20)), ==,
                     EXTENT_BYTES / 2);
    g_assert_cmpuint(collapse_job_growth_bytes(
                         &g_array_index(extents, CollapseExtent, 0)), ==, 0);
    /* Another process's page tables take nothing. */
    Script mapper = {.sparse_from = 20, .margin_bytes = 1};
    options.entries_only = true;
    g_autoptr(GArray) all = run_with(&mapper, &options, &result);
    g_assert_cmpuint(count(all, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
}

static void
einval_is_no_reason_to_stop(void)
{
    Script s = {.errnum = EINVAL, .from = 0, .to = 30, .times = 1000,
                .meaning = COLLAPSE_OUTCOME_REFUSED};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_REFUSED), ==, 30);
    g_assert_cmpuint(s.asked[0], ==, 1);
}

static void
a_guest_that_ends(void)
{
    Script s = {.errnum = ESRCH, .from = 7, .to = EXTENTS, .times = 1000,
                .meaning = COLLAPSE_OUTCOME_GONE};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_GONE);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 7);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_GONE), ==, EXTENTS - 7);
    g_assert_cmpuint(result.calls, ==, 8);
}

/* It ends while an extent waits for its second try: nobody waits on. */
static void
a_guest_that_ends_between_two_tries(void)
{
    Script s = {.errnum = EAGAIN, .from = 0, .to = EXTENTS, .times = 1000,
                .gone_after = EXTENTS};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, true);
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_GONE);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_GONE), ==, EXTENTS);
    g_assert_cmpuint(s.rests, ==, EXTENTS + 1); /* one before the first */
}

static void
a_stop_is_heard_at_once(void)
{
    Script s = {.stop_after = 3};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_STOPPED);
    g_assert_cmpuint(result.calls, ==, 3);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_WAITING), ==,
                     EXTENTS - 3);
}

static void
time_is_up(void)
{
    Script s = {0};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, false);
    options.max_ns = 95 * MS; /* ten calls of 1 + 9 ms */
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_MAX_TIME);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, 10);
    /* It is up while an extent waits for its second try, too. */
    Script pinned = {.errnum = EAGAIN, .to = EXTENTS, .times = 1000};
    options.max_ns = 3000 * MS;
    options.pace.duty = 1;
    g_autoptr(GArray) more = run_with(&pinned, &options, &result);
    g_assert_cmpint(result.end, ==, COLLAPSE_END_MAX_TIME);
    expect_said(&pinned, more, COLLAPSE_OUTCOME_PINNED);
    g_assert_cmpuint(result.elapsed_ns, <, 3010 * MS);
}

/* Every try has its page made ready; that is no part of the call, and costs a
 * quarter of the time at most. */
static void
prefaulted(void)
{
    Script s = {.errnum = EAGAIN, .from = 20, .to = 21, .times = 2,
                .prefault_ns = 6 * MS};
    CollapseResult result;
    g_autoptr(GArray) extents = run(&s, &result);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(s.prefaults, ==, result.calls);
    g_assert_cmpuint(result.prefault_ns, ==, result.calls * 6 * MS);
    g_assert_cmpuint(result.longest_call_ns, ==, MS);
    g_assert_cmpuint(s.rested_ns, >=, result.calls * (18 + 9) * MS);
}

static void
full_speed_does_not_prefault(void)
{
    Script s = {.prefault_ns = 6 * MS};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, true);
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS);
    g_assert_cmpuint(s.prefaults, ==, 0);
}

/* Neighbours share a call; the one that is refused spoils it for itself only. */
static void
together(void)
{
    Script s = {.errnum = EINVAL, .from = 20, .to = 21, .times = 1000,
                .meaning = COLLAPSE_OUTCOME_REFUSED};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, false);
    options.together = 16;
    g_autoptr(GArray) extents = run_with(&s, &options, &result);
    g_assert_cmpuint(s.together_max, ==, 16);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_DONE), ==, EXTENTS - 1);
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_REFUSED), ==, 1);
    g_assert_cmpuint(result.calls, <, EXTENTS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-job/well", all_goes_well);
    g_test_add_func("/collapse-job/fast", fast_never_rests);
    g_test_add_func("/collapse-job/eagain", eagain_is_tried_again);
    g_test_add_func("/collapse-job/eagain/end", eagain_has_an_end);
    g_test_add_func("/collapse-job/enomem", enomem_compacts_once_and_goes_on);
    g_test_add_func("/collapse-job/enomem/end", enomem_gives_up);
    g_test_add_func("/collapse-job/enomem/small", enomem_of_a_small_guest);
    g_test_add_func("/collapse-job/enomem/left-behind",
                    enomem_of_one_that_is_left_behind);
    g_test_add_func("/collapse-job/enomem/not-allowed",
                    compaction_that_is_not_allowed);
    g_test_add_func("/collapse-job/enomem/unmapped",
                    enomem_of_what_is_not_mapped);
    g_test_add_func("/collapse-job/compaction", compaction_that_takes_its_time);
    g_test_add_func("/collapse-job/growth", growth_leaves_something);
    g_test_add_func("/collapse-job/ebusy", a_full_cgroup_is_not_squeezed);
    g_test_add_func("/collapse-job/einval", einval_is_no_reason_to_stop);
    g_test_add_func("/collapse-job/esrch", a_guest_that_ends);
    g_test_add_func("/collapse-job/esrch/between-tries",
                    a_guest_that_ends_between_two_tries);
    g_test_add_func("/collapse-job/stop", a_stop_is_heard_at_once);
    g_test_add_func("/collapse-job/max-time", time_is_up);
    g_test_add_func("/collapse-job/together", together);
    g_test_add_func("/collapse-job/prefault", prefaulted);
    g_test_add_func("/collapse-job/prefault/fast", full_speed_does_not_prefault);
    return g_test_run();
}
