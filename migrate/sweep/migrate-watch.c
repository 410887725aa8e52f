/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The state of a guest's migration: see migrate-watch.h.
 */
#include "migrate/sweep/migrate-watch.h"

#include <string.h>

#include "base/error.h"
#include "qmp/qmp-qemu.h"

static const char *const names[] = {
    [MIGRATE_WATCH_STILL] = "still",     [MIGRATE_WATCH_BUSY] = "busy",
    [MIGRATE_WATCH_ARRIVED] = "arrived", [MIGRATE_WATCH_LEFT] = "left",
    [MIGRATE_WATCH_FAILED] = "failed",
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == MIGRATE_WATCHES);

const char *
migrate_watch_state_name(MigrateWatchState state)
{
    return names[state];
}

/* QEMU calls both sides' status by the same words; the run state tells which
 * side a "completed" is of. Words we do not know are of a migration under way:
 * new ones appear in that phase ("postcopy-device", QEMU 10.2). */
MigrateWatchState
migrate_watch_judge(const char *run_state, const char *migration)
{
    bool failed = strcmp(migration, "failed") == 0 ||
                  strcmp(migration, "cancelled") == 0;
    bool completed = strcmp(migration, "completed") == 0;
    if (strcmp(run_state, "postmigrate") == 0 ||
        strcmp(run_state, "finish-migrate") == 0) {
        return completed ? MIGRATE_WATCH_LEFT : MIGRATE_WATCH_BUSY;
    }
    if (failed) {
        return MIGRATE_WATCH_FAILED;
    }
    /* "completed" may be said while the guest is not started yet. */
    if (strcmp(run_state, "inmigrate") == 0) {
        return MIGRATE_WATCH_BUSY;
    }
    if (completed) {
        return MIGRATE_WATCH_ARRIVED;
    }
    return strcmp(migration, "none") == 0 ? MIGRATE_WATCH_STILL
                                          : MIGRATE_WATCH_BUSY;
}

static bool
look_by_monitor(QmpClient *qmp, MigrateWatchState *state, char **detail,
                GError **error)
{
    g_autofree char *run_state = qmp_qemu_run_state(qmp, error);
    g_autofree char *migration =
        run_state ? qmp_qemu_migration_status(qmp, detail, error) : NULL;
    if (!migration) {
        return false;
    }
    /* Nobody else takes them from the queue. */
    for (QmpEvent *event; (event = qmp_client_pop_event(qmp));) {
        qmp_event_free(event);
    }
    *state = migrate_watch_judge(run_state, migration);
    return true;
}

bool
migrate_watch_look(QmpClient *qmp, const char *domain,
                   MigrateWatchState before, MigrateWatchState *state,
                   char **detail, GError **error)
{
    if (detail) {
        *detail = NULL;
    }
    if (qmp) {
        return look_by_monitor(qmp, state, detail, error);
    }
    g_auto(MigrateDomain) now = {0};
    if (!domain) {
        *state = MIGRATE_WATCH_STILL;
        return true;
    }
    if (!migrate_domain_read(domain, &now, error)) {
        return false;
    }
    if (g_str_has_prefix(now.job, "migration")) {
        *state = MIGRATE_WATCH_BUSY;
    } else {
        *state = before == MIGRATE_WATCH_BUSY ? MIGRATE_WATCH_ARRIVED : before;
    }
    return true;
}
