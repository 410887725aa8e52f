/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What 'postlude collapse' was asked to do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
