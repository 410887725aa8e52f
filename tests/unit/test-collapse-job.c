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
    unsigned prefaults;
    guint stop_after; /* calls; 0: never */
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
    return s->may_compact;
}

static uint64_t
scripted_now(gpointer data)
{
    return ((Script *)data)->now_ns;
}

static bool
scripted_rest(gpointer data, uint64_t ns)
{
    Script *s = data;
    s->now_ns += ns;
    s->rested_ns += ns;
    return s->stop_after == 0 || s->calls < s->stop_after;
}

static GArray *
full_extents(void)
{
    GArray *extents = g_array_new(false, true, sizeof(CollapseExtent));
    for (guint i = 0; i < EXTENTS; i++) {
        CollapseExtent e = {.hva = i * EXTENT_BYTES, .pages = 512};
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
                               .rest = scripted_rest,
                               .data = s};
    GArray *extents = full_extents();
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

/* A machine without one free huge page: it ends, in bounded time, and says so
 * of every extent that it could not help. */
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
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_NO_MEMORY), ==,
                     EXTENTS - 5);
    g_assert_cmpuint(result.elapsed_ns, <, 40000 * MS);
    g_assert_nonnull(strstr(collapse_end_words(result.end), "compact"));
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
    g_assert_cmpuint(count(extents, COLLAPSE_OUTCOME_CGROUP), ==,
                     EXTENTS - 10);
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
    g_test_add_func("/collapse-job/ebusy", a_full_cgroup_is_not_squeezed);
    g_test_add_func("/collapse-job/einval", einval_is_no_reason_to_stop);
    g_test_add_func("/collapse-job/esrch", a_guest_that_ends);
    g_test_add_func("/collapse-job/stop", a_stop_is_heard_at_once);
    g_test_add_func("/collapse-job/max-time", time_is_up);
    g_test_add_func("/collapse-job/together", together);
    g_test_add_func("/collapse-job/prefault", prefaulted);
    g_test_add_func("/collapse-job/prefault/fast", full_speed_does_not_prefault);
    return g_test_run();
}
