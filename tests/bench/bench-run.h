/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One run of the benchmark: what is to be done and what was seen. Times are
 * wall clock in microseconds, because that is what QEMU stamps its events
 * with; everything runs on one host, so there is one clock.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "tests/bench/bench-cpu.h"
#include "tests/support/vm-pair.h"

typedef enum { BENCH_NATIVE, BENCH_PREEMPT, BENCH_POSTLUDE } BenchWay;

typedef struct {
    BenchWay way;
    VmQemuVersion version;
    gboolean kvm;
    gboolean private_ram; /* native only: anonymous memory */
    int ram_mib;
    int streams;          /* postlude only; 0: its choice */
    char *tls_psk;        /* postlude only: a file of keys, NULL: plain text */
    int undisturbed_ms;   /* how long the guest runs alone before */
    int after_ms;         /* when coverage is looked at again */
} BenchPlan;

/* One of the two helpers. */
typedef struct {
    double cpu_ms;         /* with its children */
    gint64 exit_us;
    uint64_t own_peak_kib; /* RssAnon + RssFile, sampled: not guest RAM */
} BenchHelper;

typedef struct {
    double warm_ms;
    gint64 start_us;     /* before the first command */
    gint64 stop_us;      /* STOP at the source */
    gint64 resume_us;    /* RESUME at the destination */
    gint64 last_page_us;
    gint64 over_us;      /* both sides have finished */
    gint64 completed_us; /* MIGRATION completed at the destination (native) */
    bool source_completed;
    bool postcopy_active;
    bool failed;         /* MIGRATION failed, on either side */

    BenchCpu source_cpu, destination_cpu; /* spent, start to over */
    double busy_ms, steal_ms;             /* of the whole machine */
    BenchHelper send, receive;
    JsonNode *sent, *received;            /* postlude's reports, or NULL */
    JsonNode *native;                     /* query-migrate at the source */

    /* Numbers of the witness's lines. */
    uint64_t baseline_to; /* the guest alone until here */
    uint64_t before;      /* the last before the command */
    uint64_t missing_from, missing_to;
    uint64_t wrong_words;    /* at the very end */
    uint64_t huge_bytes, rss_bytes;             /* when it was over */
    uint64_t huge_after_bytes, rss_after_bytes; /* after_ms later */
} BenchRun;

void bench_run_clear(BenchRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BenchRun, bench_run_clear)

/* The migration itself, from the last preparations to both sides' end. PAIR
 * runs, the memory is warm. */
bool bench_native_move(const BenchPlan *plan, VmPair *pair, BenchRun *run,
                       GError **error);
bool bench_postlude_move(const BenchPlan *plan, VmPair *pair, BenchRun *run,
                         GError **error);

/* What native migration has to be told before: capabilities, limits, the
 * listening destination. Takes its time, so it is done before warming up. */
bool bench_native_prepare(const BenchPlan *plan, VmPair *pair,
                          GError **error);
