/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sweep of one process: see collapse-job.h.
 */
#include "collapse/collapse-job.h"

#include <errno.h>
#include <string.h>

#include "collapse/collapse-plan.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)
/* What QEMU's next page fault may need, and ours: see leaves_too_little(). */
#define KEEP_BYTES (UINT64_C(64) << 20)
#define COMPACTION_LOOK_NS (100 * MS)

typedef struct {
    GArray *extents;
    const CollapseJobOptions *options;
    const CollapseSeam *seam;
    CollapseProgress *progress;
    CollapseResult *result;
    CollapsePlan *plan;
    uint64_t started_ns;
    uint64_t short_since_ns; /* of the first ENOMEM since a success; 0: none */
    bool short_of_memory;    /* an extent was given up for it since then */
    unsigned refusals;       /* EBUSY in a row */
} Job;

void
collapse_job_options_init(CollapseJobOptions *options, bool fast)
{
    *options = (CollapseJobOptions){
        .pace = {.duty = fast ? 1 : COLLAPSE_DUTY,
                 .prefault_duty = 0.25,
                 .free_ns = 100000,
                 .max_rest_ns = 2 * S},
        .retry = {.tries = 8, .first_ns = 50 * MS, .most_ns = 3200 * MS},
        .no_memory_ns = 30 * S,
        .compaction_ns = 600 * S,
        .keep_bytes = KEEP_BYTES,
        .max_refusals = 4,
        .together = 1,
        .prefault = !fast,
    };
}

static const struct {
    const char *name, *words;
} ends[] = {
    [COLLAPSE_END_COMPLETED] = {"completed", "every extent was tried"},
    [COLLAPSE_END_STOPPED] = {"stopped", "it was stopped"},
    [COLLAPSE_END_MAX_TIME] = {"max-time", "the time that was given is over"},
    [COLLAPSE_END_NO_MEMORY] =
        {"no-memory", "this host has had no free huge page for a while"},
    [COLLAPSE_END_CGROUP] =
        {"cgroup-limit", "the guest's memory cgroup is at its limit"},
    [COLLAPSE_END_GONE] = {"gone", "the guest has ended"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(ends) == COLLAPSE_ENDS);

const char *
collapse_end_name(CollapseEnd end)
{
    return ends[end].name;
}

const char *
collapse_result_words(const CollapseResult *result)
{
    return result->end == COLLAPSE_END_NO_MEMORY && result->compacted
               ? "this host has had no free huge page for a while, even after "
                 "it was asked to compact its memory"
               : ends[result->end].words;
}

void
collapse_result_merge(CollapseResult *into, const CollapseResult *from)
{
    into->end = from->end;
    into->calls += from->calls;
    into->refused_calls += from->refused_calls;
    into->call_ns += from->call_ns;
    into->longest_call_ns = MAX(into->longest_call_ns, from->longest_call_ns);
    into->prefault_ns += from->prefault_ns;
    into->compacted |= from->compacted;
    collapse_errors_merge(&into->errors, &from->errors);
}

static CollapseExtent *
extent_at(Job *job, guint index)
{
    return &g_array_index(job->extents, CollapseExtent, index);
}

static void
job_settle(Job *job, guint index, CollapseOutcome outcome)
{
    extent_at(job, index)->outcome = (uint8_t)outcome;
    if (job->progress) {
        job->progress->done++;
        job->progress->huge += outcome == COLLAPSE_OUTCOME_DONE;
    }
}

static bool
job_end(Job *job, CollapseEnd how)
{
    job->result->end = how;
    return false;
}

/* False ends the sweep. */
static bool
job_rest(Job *job, uint64_t ns)
{
    switch (job->seam->rest(job->seam->data, ns)) {
    case COLLAPSE_REST_STOP:
        return job_end(job, COLLAPSE_END_STOPPED);
    case COLLAPSE_REST_GONE:
        return job_end(job, COLLAPSE_END_GONE);
    default: return true;
    }
}

static uint64_t
job_now(const Job *job)
{
    return job->seam->now_ns(job->seam->data);
}

static bool
is_time_up(const Job *job)
{
    return job->options->max_ns &&
           job_now(job) - job->started_ns >= job->options->max_ns;
}

static int
job_call(Job *job, uint64_t hva, uint64_t extents, uint64_t *took_ns)
{
    uint64_t before = job_now(job);
    int errnum = job->seam->collapse(job->seam->data, hva, extents);
    *took_ns = job_now(job) - before;
    CollapseResult *result = job->result;
    result->calls++;
    result->call_ns += *took_ns;
    result->longest_call_ns = MAX(result->longest_call_ns, *took_ns);
    if (errnum) {
        result->refused_calls++;
        collapse_errors_add(&result->errors, errnum);
    }
    return errnum;
}

static uint64_t
job_prefault(Job *job)
{
    if (!job->options->prefault) {
        return 0;
    }
    uint64_t before = job_now(job);
    job->seam->prefault(job->seam->data);
    uint64_t took_ns = job_now(job) - before;
    job->result->prefault_ns += took_ns;
    return took_ns;
}

/* It takes minutes on a large host, and to try the guest's extents meanwhile
 * would use up their tries. False ends the sweep. */
static bool
await_compaction(Job *job)
{
    uint64_t since_ns = job_now(job);
    bool going = true;
    if (job->progress) {
        job->progress->compacting = true;
    }
    while (going && !is_time_up(job) &&
           job_now(job) - since_ns < job->options->compaction_ns &&
           job->seam->is_compacting(job->seam->data)) {
        going = job_rest(job, COMPACTION_LOOK_NS);
    }
    if (job->progress) {
        job->progress->compacting = false;
    }
    return going;
}

/* Compaction of a whole host is not for free, so it is asked for once a run.
 * The time for "no memory" begins when it is over. False ends the sweep. */
static bool
suffer_no_memory(Job *job)
{
    bool going = true;
    if (!job->result->compacted && !job->options->entries_only &&
        job->seam->compact(job->seam->data)) {
        job->result->compacted = true;
        going = await_compaction(job);
        job->short_since_ns = job_now(job);
    } else if (job->short_since_ns == 0) {
        job->short_since_ns = job_now(job);
    }
    return going;
}

static bool
has_patience(const Job *job, int errnum)
{
    return errnum != ENOMEM ||
           job_now(job) - job->short_since_ns < job->options->no_memory_ns;
}

/* ENOMEM is also what the kernel says of an address where nothing is mapped:
 * a DIMM was unplugged, and no memory of the host comes into it. */
static bool
is_unmapped(const Job *job, uint64_t hva, int errnum)
{
    return errnum == ENOMEM && job->seam->is_mapped &&
           !job->seam->is_mapped(job->seam->data, hva);
}

/* False ends the sweep. */
static bool
take_refusal(Job *job, guint index, int errnum)
{
    uint64_t hva = extent_at(job, index)->hva;
    extent_at(job, index)->errnum = (uint8_t)errnum;
    if (is_unmapped(job, hva, errnum)) {
        job_settle(job, index, COLLAPSE_OUTCOME_UNMAPPED);
        return true;
    }
    if (errnum == ENOMEM && !suffer_no_memory(job)) {
        return false;
    }
    bool patience = has_patience(job, errnum);
    if (patience && collapse_plan_again(job->plan, &job->options->retry, errnum,
                                        job_now(job))) {
        return true;
    }
    CollapseOutcome why =
        job->seam->classify(job->seam->data, hva, errnum);
    job_settle(job, index, why);
    if (why == COLLAPSE_OUTCOME_GONE) {
        return job_end(job, COLLAPSE_END_GONE);
    }
    job->short_of_memory |= why == COLLAPSE_OUTCOME_NO_MEMORY;
    if (why == COLLAPSE_OUTCOME_NO_MEMORY && !patience) {
        return job_end(job, COLLAPSE_END_NO_MEMORY);
    }
    /* A charge that fails has made the kernel reclaim the guest's own memory
     * first, for up to two seconds each time (measured on Linux 6.18): no more
     * of that than it takes to be sure. */
    job->refusals = why == COLLAPSE_OUTCOME_CGROUP ? job->refusals + 1 : 0;
    return job->refusals < job->options->max_refusals ||
           job_end(job, COLLAPSE_END_CGROUP);
}

/* How many extents from INDEX on can share one call. They stay in the plan:
 * when their turn comes they are found settled. */
static guint
job_neighbours(Job *job, guint index)
{
    guint n = 1;
    while (n < job->options->together && index + n < job->extents->len &&
           extent_at(job, index + n)->outcome == COLLAPSE_OUTCOME_WAITING &&
           extent_at(job, index + n)->hva ==
               extent_at(job, index)->hva + n * EXTENT_BYTES) {
        n++;
    }
    return n;
}

/* The kernel fills up what is not full (MADV_COLLAPSE does not heed
 * max_ptes_none): a guest with a balloon, or one that never touched all of its
 * memory, grows. If that takes what QEMU's next page fault needs, the kernel
 * kills QEMU; so it stops short of it. */
static bool
leaves_too_little(const Job *job, guint index)
{
    uint64_t bytes = collapse_job_growth_bytes(
        &g_array_index(job->extents, CollapseExtent, index));
    return bytes > 0 && !job->options->entries_only &&
           job->seam->margin_bytes &&
           job->seam->margin_bytes(job->seam->data) <
               bytes + job->options->keep_bytes;
}

static bool
try_extent(Job *job, guint index)
{
    if (extent_at(job, index)->outcome != COLLAPSE_OUTCOME_WAITING) {
        return true; /* went with a neighbour */
    }
    if (leaves_too_little(job, index)) {
        job_settle(job, index, COLLAPSE_OUTCOME_NO_ROOM);
        return job_rest(job, 0);
    }
    uint64_t took_ns;
    uint64_t prefault_ns = job_prefault(job);
    guint n = job_neighbours(job, index);
    int errnum = job_call(job, extent_at(job, index)->hva, n, &took_ns);
    if (errnum && n > 1) {
        n = 1; /* which one it was is not known: one by one */
        errnum = job_call(job, extent_at(job, index)->hva, 1, &took_ns);
    }
    if (errnum == 0) {
        for (guint i = 0; i < n; i++) {
            job_settle(job, index + i, COLLAPSE_OUTCOME_DONE);
        }
        job->short_since_ns = 0;
        job->short_of_memory = false;
        job->refusals = 0;
    } else if (!take_refusal(job, index, errnum)) {
        return false;
    }
    return job_rest(
        job, collapse_pace_rest_ns(&job->options->pace, prefault_ns, took_ns));
}

/* False when there is nothing more to do, or no more time to do it in. */
static bool
job_step(Job *job)
{
    guint index;
    uint64_t wait_ns;
    uint64_t now_ns = job_now(job);
    uint64_t elapsed_ns = now_ns - job->started_ns;
    if (is_time_up(job)) {
        return job_end(job, COLLAPSE_END_MAX_TIME);
    }
    if (collapse_plan_next(job->plan, now_ns, &index, &wait_ns)) {
        return try_extent(job, index);
    }
    if (wait_ns == 0) {
        /* A small guest is through with its tries before the time for "no
         * memory" is over; it ends for the same reason. */
        return job_end(job, job->short_of_memory ? COLLAPSE_END_NO_MEMORY
                                                 : COLLAPSE_END_COMPLETED);
    }
    if (job->options->max_ns) {
        wait_ns = MIN(wait_ns, job->options->max_ns - elapsed_ns);
    }
    return job_rest(job, wait_ns);
}

/* What was refused and would have been tried again: say why. What was never
 * tried stays as it is, unless it went with the process. */
static void
settle_rest(Job *job)
{
    bool gone = job->result->end == COLLAPSE_END_GONE;
    for (guint i = 0; i < job->extents->len; i++) {
        CollapseExtent *e = extent_at(job, i);
        if (e->outcome == COLLAPSE_OUTCOME_WAITING && (gone || e->errnum)) {
            e->outcome = (uint8_t)(gone ? COLLAPSE_OUTCOME_GONE
                                        : collapse_outcome_of(e->errnum));
        }
    }
}

uint64_t
collapse_job_growth_bytes(const CollapseExtent *extent)
{
    return EXTENT_BYTES - extent->pages * PAGE_BYTES;
}

void
collapse_job_count(GArray *extents, uint64_t by_outcome[COLLAPSE_OUTCOMES])
{
    memset(by_outcome, 0, COLLAPSE_OUTCOMES * sizeof by_outcome[0]);
    for (guint i = 0; i < extents->len; i++) {
        by_outcome[g_array_index(extents, CollapseExtent, i).outcome]++;
    }
}

void
collapse_job_run(GArray *extents, const CollapseJobOptions *options,
                 const CollapseSeam *seam, CollapseProgress *progress,
                 CollapseResult *result)
{
    g_autoptr(CollapsePlan) plan = collapse_plan_new(extents);
    Job job = {.extents = extents,
               .options = options,
               .seam = seam,
               .progress = progress,
               .result = result,
               .plan = plan,
               .started_ns = seam->now_ns(seam->data)};
    *result = (CollapseResult){.end = COLLAPSE_END_COMPLETED};
    if (progress) {
        progress->total += collapse_plan_left(plan);
    }
    bool going = job_rest(&job, 0);
    while (going && job_step(&job)) {
    }
    settle_rest(&job);
    result->elapsed_ns = job_now(&job) - job.started_ns;
}
