/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the witness guest (tests/guest/witness.c) prints, as structs. Its
 * serial line goes on across a migration: the source's log and the
 * destination's, put behind each other, are one text without a seam.
 * Pure but for witness_log_read().
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WITNESS_LOG_BUCKETS 96

/* One "beat" line. Sums since the guest's fill; top and next since the line
 * before. Times as the guest saw them, in the unit of the name. */
typedef struct {
    uint64_t line;
    uint64_t ms;
    uint64_t accesses;
    uint64_t slow;       /* accesses that took longer than the threshold */
    uint64_t mean_us;    /* of the slow ones */
    uint64_t max_us;
    uint64_t stalled_us; /* all slow ones together */
    uint64_t top_us;     /* the longest since the line before */
    uint64_t next_us;    /* the second longest */
    uint64_t wrong;      /* words */
    uint64_t scans;      /* times every page was checked in full */
    uint64_t buckets[WITNESS_LOG_BUCKETS]; /* slow accesses by duration */
} WitnessBeat;

typedef struct {
    bool ready;            /* the fill is done */
    uint64_t ticks_per_us; /* the rest of the "ready" line */
    uint64_t fill_ms;
    uint64_t pages;
    uint64_t area_gpa;
    bool holes;            /* the key 'h' has arrived */
    GArray *beats;         /* WitnessBeat, in order */
    GPtrArray *wrong;      /* the WRONG lines, as printed */
    char *fatal;           /* why the guest gave up, or NULL */
} WitnessLog;

/* What happened between two beats. */
typedef struct {
    uint64_t ms, accesses, slow, stalled_us, wrong, scans;
    uint64_t max_us;  /* the longest access in the interval */
    uint64_t next_us; /* the second longest: what is left without one outlier */
    uint64_t buckets[WITNESS_LOG_BUCKETS];
} WitnessDelta;

/* Never fails: lines that are torn or of somebody else (firmware) are passed
 * over. */
WitnessLog *witness_log_parse(const char *text);

/* The files of the NULL-terminated PATHS behind each other. */
WitnessLog *witness_log_read(const char *const *paths, GError **error);
void witness_log_free(WitnessLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WitnessLog, witness_log_free)

/* The newest beat, or NULL. Lives as long as LOG. */
const WitnessBeat *witness_log_last(const WitnessLog *log);

/* The first beat at or after MS of guest time, or NULL. */
const WitnessBeat *witness_log_at(const WitnessLog *log, uint64_t ms);

/* FROM (not included) to TO (included), both beats of LOG; FROM NULL is the
 * start. */
void witness_log_delta(const WitnessLog *log, const WitnessBeat *from,
                       const WitnessBeat *to, WitnessDelta *delta);

/* Mean of the slow accesses in microseconds; 0 if there was none. */
uint64_t witness_delta_mean_us(const WitnessDelta *delta);

/* The upper edge of the bucket below which FRACTION (0..1) of all slow
 * accesses lie: right within 25%; 0 if there was none. */
uint64_t witness_buckets_quantile_us(const uint64_t *buckets, double fraction);
