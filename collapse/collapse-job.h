/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One sweep of one process from the first extent to the last word: the plan,
 * the pace, what each errno leads to. The system calls and the clock come
 * through a seam, so that every errno can be had in a test; the real one is
 * collapse-kernel.h. Runs on one thread; the progress may be read by another.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collapse/collapse-extents.h"
#include "collapse/collapse-pace.h"
#include "collapse/collapse-sweep.h"

typedef struct {
    /* 0 or an errno value, as collapse_target_range(). */
    int (*collapse)(gpointer data, uint64_t hva, uint64_t extents);
    /* Readies a free huge page for the next call, outside of all locks. */
    void (*prefault)(gpointer data);
    /* What a final ERRNUM at HVA means. */
    CollapseOutcome (*classify)(gpointer data, uint64_t hva, int errnum);
    /* Asks the kernel to compact its memory; false if it may not. */
    bool (*compact)(gpointer data);
    uint64_t (*now_ns)(gpointer data);
    /* Waits NS, or not at all if 0. False as soon as the sweep is to end. */
    bool (*rest)(gpointer data, uint64_t ns);
    gpointer data;
} CollapseSeam;

typedef struct {
    CollapsePace pace;
    CollapseRetry retry;
    uint64_t max_ns;        /* 0: no limit */
    uint64_t no_memory_ns;  /* give up after so long of nothing but ENOMEM */
    unsigned max_refusals;  /* give up after so many EBUSY in a row */
    unsigned together;      /* neighbours in one call, where nothing is copied */
    bool prefault;          /* where something is copied, and gently */
} CollapseJobOptions;

/* The default duty, and its name for --help. */
#define COLLAPSE_DUTY 0.10
#define COLLAPSE_DEFAULT_DUTY "10%"

/* What 'postlude collapse' does by default, and with --fast. */
void collapse_job_options_init(CollapseJobOptions *options, bool fast);

typedef enum {
    COLLAPSE_END_COMPLETED, /* everything was tried */
    COLLAPSE_END_STOPPED,   /* rest() said so */
    COLLAPSE_END_MAX_TIME,
    COLLAPSE_END_NO_MEMORY,
    COLLAPSE_END_CGROUP,
    COLLAPSE_END_GONE,
    COLLAPSE_ENDS
} CollapseEnd;

/* A stable name for reports, and words for a person. */
const char *collapse_end_name(CollapseEnd end);
const char *collapse_end_words(CollapseEnd end);

typedef struct {
    CollapseEnd end;
    uint64_t calls, refused_calls;
    uint64_t call_ns, longest_call_ns, prefault_ns, elapsed_ns;
    CollapseErrors errors; /* of calls, those that were tried again too */
    bool compacted;
} CollapseResult;

/* Written by the job, read by whoever shows it. */
typedef struct {
    _Atomic uint64_t done, total; /* extents that are settled, of all */
    _Atomic uint64_t huge;        /* of these, made huge */
} CollapseProgress;

/* Works through EXTENTS (of collapse_extents_look) whose outcome is WAITING,
 * and writes their outcomes and errnums. PROGRESS may be NULL. */
void collapse_job_run(GArray *extents, const CollapseJobOptions *options,
                      const CollapseSeam *seam, CollapseProgress *progress,
                      CollapseResult *result);
