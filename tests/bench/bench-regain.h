/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ways by which a guest gets its huge pages back, and how its coverage
 * grows meanwhile. Coverage: huge bytes of guest RAM / bytes that hold data.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "tests/bench/bench-khugepaged.h"
#include "tests/support/vm-pair.h"

typedef enum {
    BENCH_REGAIN_NONE, /* nothing happens: what the machine does by itself */
    BENCH_REGAIN_DEFAULT,
    BENCH_REGAIN_FAST,
    BENCH_REGAIN_KHUGEPAGED,
    BENCH_REGAIN_AGGRESSIVE,
    BENCH_REGAIN_WAYS
} BenchRegainWay;

extern const char *const bench_regain_names[BENCH_REGAIN_WAYS];

typedef struct {
    BenchRegainWay way;
    const char *duty; /* DEFAULT only; or NULL */
    int none_ms;      /* how long NONE lasts */
    int limit_ms;     /* khugepaged is watched for so long at most */
} BenchRegainPlan;

typedef struct {
    double took_ms;     /* until it ended, or was no longer waited for */
    double to_95_ms;    /* 0: it is not known */
    bool extrapolated;  /* TO_95_MS is, from the rate of this run */
    uint64_t rss_bytes, huge_bytes; /* at the end */
    JsonNode *report;   /* of postlude collapse, or NULL */
} BenchRegain;

void bench_regain_clear(BenchRegain *regain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BenchRegain, bench_regain_clear)

/* At the destination of PAIR. khugepaged is asleep before and afterwards. */
bool bench_regain_run(const BenchRegainPlan *plan, VmPair *pair,
                      BenchKhugepaged *khugepaged, BenchRegain *regain,
                      GError **error);
