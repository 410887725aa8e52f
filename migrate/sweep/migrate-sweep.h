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
#include "migrate/core/migrate-findings.h"
#include "migrate/sweep/migrate-mappers.h"
#include "migrate/sweep/migrate-sweep-options.h"
#include "qmp/qmp-client.h"

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
