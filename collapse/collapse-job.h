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

typedef enum {
    COLLAPSE_REST_OVER, /* go on */
    COLLAPSE_REST_STOP, /* the sweep is to end */
    COLLAPSE_REST_GONE, /* the process has ended */
} CollapseRest;

typedef struct {
    /* 0 or an errno value, as collapse_target_range(). */
    int (*collapse)(gpointer data, uint64_t hva, uint64_t extents);
    /* Readies a free huge page for the next call, outside of all locks. */
    void (*prefault)(gpointer data);
    /* What a final ERRNUM at HVA means. */
    CollapseOutcome (*classify)(gpointer data, uint64_t hva, int errnum);
    /* Asks the kernel to compact its memory, and does not wait for it; false
     * if it may not. Then: whether it is still at it. */
    bool (*compact)(gpointer data);
    bool (*is_compacting)(gpointer data);
    uint64_t (*now_ns)(gpointer data);
    /* Waits NS, or not at all if 0; less as soon as it is not OVER. */
    CollapseRest (*rest)(gpointer data, uint64_t ns);
    /* These may be NULL: nobody knows. Whether anything is mapped at HVA; how
     * much memory the process may still take (collapse-margin.h). */
    bool (*is_mapped)(gpointer data, uint64_t hva);
    uint64_t (*margin_bytes)(gpointer data);
    gpointer data;
} CollapseSeam;

typedef struct {
    CollapsePace pace;
    CollapseRetry retry;
    uint64_t max_ns;        /* 0: no limit */
    uint64_t no_memory_ns;  /* give up after so long of nothing but ENOMEM */
    uint64_t compaction_ns; /* the longest that compaction is waited for */
    uint64_t keep_bytes;    /* of the margin, where an extent takes memory */
    unsigned max_refusals;  /* give up after so many EBUSY in a row */
    unsigned together;      /* neighbours in one call */
    bool entries_only;      /* the huge pages are there: nothing is copied */
    bool prefault;          /* where something is copied, and gently */
} CollapseJobOptions;

/* The default duty, and its name for --help. */
#define COLLAPSE_DUTY 0.10
#define COLLAPSE_DEFAULT_DUTY "10%"

/* What 'postlude collapse' does by default, and with --fast. */
void collapse_job_options_init(CollapseJobOptions *options, bool fast);

typedef enum {
    COLLAPSE_END_COMPLETED, /* everything was tried */
    COLLAPSE_END_STOPPED,   /* rest() said STOP */
    COLLAPSE_END_MAX_TIME,
    COLLAPSE_END_NO_MEMORY,
    COLLAPSE_END_CGROUP,
    COLLAPSE_END_GONE,
    COLLAPSE_ENDS
} CollapseEnd;

/* A stable name for reports. */
const char *collapse_end_name(CollapseEnd end);

typedef struct {
    CollapseEnd end;
    uint64_t calls, refused_calls;
    uint64_t call_ns, longest_call_ns, prefault_ns, elapsed_ns;
    CollapseErrors errors; /* of calls, those that were tried again too */
    bool compacted; /* the kernel was asked to compact its memory */
} CollapseResult;

/* How it ended, for a person. */
const char *collapse_result_words(const CollapseResult *result);

/* Adds what FROM, a second sweep of the same run, came to: its end too, but
 * for the times that both took together, which only the caller knows. */
void collapse_result_merge(CollapseResult *into, const CollapseResult *from);

/* Written by the job, read by whoever shows it. */
typedef struct {
    _Atomic uint64_t done, total; /* extents that are settled, of all */
    _Atomic uint64_t huge;        /* of these, made huge */
    _Atomic bool compacting;      /* waits for the kernel to compact memory */
} CollapseProgress;

/* By how much a process grows when EXTENT is made huge: what is not there yet
 * is filled with zeros. */
uint64_t collapse_job_growth_bytes(const CollapseExtent *extent);

/* How many of EXTENTS have come to which outcome. */
void collapse_job_count(GArray *extents,
                        uint64_t by_outcome[COLLAPSE_OUTCOMES]);

/* Works through EXTENTS (of collapse_extents_look) whose outcome is WAITING,
 * and writes their outcomes and errnums. PROGRESS may be NULL. */
void collapse_job_run(GArray *extents, const CollapseJobOptions *options,
                      const CollapseSeam *seam, CollapseProgress *progress,
                      CollapseResult *result);
