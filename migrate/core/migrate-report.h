/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a migration did, in figures; migrate-summary.h writes them down. Filled
 * in by the main thread when threads have ended.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "collapse/collapse-sweep.h"

#define MIGRATE_REPORT_RAN_TWICE                                              \
    "the guest was started on BOTH hosts; its memory and disks may be "       \
    "damaged: see to it that it runs on one of them only, look at its disks " \
    "as after a crash, and restart it from them if in doubt"

typedef struct {
    const char *role;    /* "send", "receive" */
    const char *outcome; /* "completed", "ended", "failed", "cancelled",
                          * "given-up" */
    const char *ended;   /* how the guest ended there, by itself; or NULL */
    char *reason;        /* of any outcome but "completed"; owned, or NULL */
    char *vm_name, *vm_uuid;
    uint64_t ram_bytes;
    uint64_t started_ns, switched_ns, arrived_ns, ended_ns;
    uint64_t waited_ns;  /* for the operator's SIGUSR1: not part of the total */
    uint64_t armed_ns;
    double downtime_ms;
    bool downtime_unknown; /* to whoever was there then, and is not any more */
    uint64_t takeovers;    /* from helpers that were killed */
    struct {
        uint64_t total, demand, pushed, zero, duplicate, discarded;
        uint64_t unknown;  /* here, and nobody recorded by which way */
        bool zero_unknown;
    } pages;
    Histogram fault_latency;
    uint64_t bytes_received, bytes_sent, device_bytes;
    bool source_ran; /* after RUN somebody started it at the source as well */
    struct {
        uint64_t eligible_bytes, before_bytes, after_bytes;
        uint64_t laid_extents, small_extents;
        uint64_t sweep_ns;     /* in the calls, waiting included */
        uint64_t sweep_cpu_ns; /* of it computing, while pages arrived */
        uint64_t lay_ns;
        CollapseErrors failed;
    } huge;
} MigrateReport;

/* The last page is here: now, or earlier, if that is known already. */
void migrate_report_arrived(MigrateReport *report);

void migrate_report_clear(MigrateReport *report);
