/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A running guest as a sweep finds it: process, monitor, RAM. Main thread.
 */
#pragma once

#include <glib.h>

#include "migrate/sweep/migrate-sweep-options.h"
#include "qmp/qmp-client.h"

typedef struct {
    pid_t pid;
    int pidfd;
    QmpClient *qmp;   /* NULL: none, or it is taken */
    char *domain;     /* libvirt's name, or NULL */
    char *name;       /* the guest's, or NULL */
    bool all;
    GArray *areas;    /* CollapseArea */
    GArray *extents;  /* CollapseExtent, of AREAS */
} MigrateGuest;

/* By process, monitor or domain, as OPTIONS say. */
MigrateGuest *migrate_guest_open(const MigrateSweepOptions *options,
                                 GError **error);
void migrate_guest_close(MigrateGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateGuest, migrate_guest_close)

/* Reads areas and extents anew. */
bool migrate_guest_look(MigrateGuest *guest, GError **error);

/* VM_GONE if it has ended. What was opened by its number before that was asked
 * is the guest's own, and not of another process that has the number now. */
bool migrate_guest_lives(const MigrateGuest *guest, GError **error);

/* Waits until a migration to this host is over and nobody guards the guest's
 * RAM by a userfaultfd any more. False: it failed, went the other way, or there
 * is none; CANCELLED if STOP became readable. */
bool migrate_guest_await(MigrateGuest *guest, int stop, bool quiet,
                         GError **error);

/* True if the guest is on the move now: *WORDS (owned) says how. Trouble with
 * the monitor counts as no. */
bool migrate_guest_moves(MigrateGuest *guest, char **words);
