/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 'postlude collapse': find a running guest's RAM, wait for the end of its
 * migration if that is wanted, sweep it, watch meanwhile that it does not
 * leave, and say what came of it. The calls are made by one thread of their
 * own, to the guest and then to other mappers (migrate-mappers.h); everything
 * else is on the main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collapse/collapse-job.h"
#include "migrate/migrate-check.h"

typedef struct {
    pid_t pid;             /* 0: from the monitor or the domain */
    const char *qmp_path;  /* or NULL */
    const char *domain;    /* libvirt's name of the guest, or NULL */
    bool after_migration;
    bool fast;
    bool all;              /* every mapping, not only RAM */
    bool all_mappers;
    bool dry_run;
    bool quiet;            /* no progress */
    double duty;           /* 0: the default */
    uint64_t max_ns;       /* 0: no limit */
    int stop;              /* eventfd: readable when the operator has enough */
} MigrateSweepOptions;

/* Another process that maps the same RAM. */
typedef struct {
    pid_t pid;
    char comm[17];
    char *error;      /* why it could not be swept, or NULL */
    uint64_t extents; /* huge in the guest's own page tables, and here mapped */
    uint64_t huge;    /* of these, huge here at the end */
    uint64_t by_outcome[COLLAPSE_OUTCOMES];
} MigrateSweepMapper;

typedef struct {
    pid_t pid;
    char *vm_name;     /* or NULL */
    const char *how;   /* a CollapseEnd's name, "migrating", "mapper-failed"
                          or "dry-run" */
    char *words;       /* why it ended, for a person */
    bool fast;
    double duty;
    uint64_t waited_ns; /* for the migration */
    CollapseCount before, after;
    uint64_t by_outcome[COLLAPSE_OUTCOMES]; /* extents that hold data */
    uint64_t growth_bytes; /* by filling up what was filled in part; of a dry
                              run: what that would be */
    CollapseResult result; /* of the guest and of all mappers */
    GArray *mappers; /* MigrateSweepMapper, or NULL */
    char *cgroup;    /* of QEMU, if it was in the way */
} MigrateSweepReport;

void migrate_sweep_report_clear(MigrateSweepReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateSweepReport,
                                 migrate_sweep_report_clear)

/* Sweeps. True if it ended by itself or by a limit, with REPORT filled in;
 * what the report's HOW says is not an error. False: nothing was swept. */
bool migrate_sweep_run(const MigrateSweepOptions *options,
                       MigrateSweepReport *report, GError **error);

/* For 'postlude check': how much of the guest's RAM could be huge, how much
 * is, and why the rest is not. CLIENT may be NULL. */
void migrate_sweep_check(QmpClient *client, pid_t pid, GPtrArray *findings);
