/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Confinement: what talks to the network gives up what it does not need for
 * the rest of its life. Four walls, each of use alone: an unprivileged user
 * with two or three capabilities left, a file system with nothing in it
 * (migrate-tree.h), no new privileges, and a list of system calls
 * (migrate-filter.h). What takes more is done by the attendant and the keeper,
 * which never see a byte from the network. SECURITY.md says what that is worth.
 */
#pragma once

#include <sys/types.h>

#include "migrate/core/migrate-options.h"

typedef struct {
    const char *const *paths; /* for migrate_tree_enter(), or NULL */
    bool sweeps;   /* collapses QEMU's memory: CAP_SYS_PTRACE, which behind
                    * the filter and without /proc reaches nothing else */
    bool owns_socket; /* removes a listening socket from a directory that may
                       * be sticky: CAP_FOWNER */
    bool required;    /* a wall that cannot be built is an error */
} MigrateConfinePlan;

/* The first thing of a helper, while it has one thread: a mount namespace.
 * Nothing if OPTIONS do not want confinement. */
bool migrate_confine_begin(const MigrateOptions *options, GError **error);

/* The user that a confined helper runs as: 'postlude' if there is such an
 * account, else 'nobody'. What we are, if that is not root. */
uid_t migrate_confine_user(void);

/* Builds the walls around this process: all threads get the filter and the
 * user, but only the calling one, and those it starts from now on, keep the
 * capabilities. What cannot be had is warned of, unless it is required. */
bool migrate_confine(const MigrateConfinePlan *plan, GError **error);

/* The same for a helper of OPTIONS, unless they say no. Opens what will be needed
 * from outside first: *REPORT_FILE, if it is -1 and there is to be a report. */
bool migrate_confine_helper(const MigrateOptions *options, int *report_file,
                            GError **error);
