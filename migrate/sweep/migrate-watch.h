/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Is this guest on the move? Seen through its monitor, or through libvirt's
 * status file where libvirt has the only monitor. Changes nothing; main thread.
 */
#pragma once

#include "migrate/sweep/migrate-domain.h"
#include "qmp/qmp-client.h"

typedef enum {
    MIGRATE_WATCH_STILL,   /* no migration */
    MIGRATE_WATCH_BUSY,    /* one is expected or under way, in or out */
    MIGRATE_WATCH_ARRIVED, /* the last one brought the guest here */
    MIGRATE_WATCH_LEFT,    /* the last one took it away */
    MIGRATE_WATCH_FAILED,  /* the last one failed or was cancelled */
    MIGRATE_WATCHES
} MigrateWatchState;

const char *migrate_watch_state_name(MigrateWatchState state);

/* What query-status and query-migrate say together. Pure. */
MigrateWatchState migrate_watch_judge(const char *run_state,
                                      const char *migration);

/* Looks once, by QMP if it is not NULL, else by DOMAIN. BUSY is BEFORE of the
 * last look: a status file knows no "completed", only that a job has ended.
 * *DETAIL (owned, may be NULL) is QEMU's reason for a failure. */
bool migrate_watch_look(QmpClient *qmp, const char *domain,
                        MigrateWatchState before, MigrateWatchState *state,
                        char **detail, GError **error);
