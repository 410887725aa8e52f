/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU as it is now: see migrate-recheck.h.
 */
#include "migrate/drive/migrate-recheck.h"

#include <inttypes.h>
#include <string.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/proc-maps.h"
#include "migrate/check/migrate-check.h"

static bool
is_source(const MigrateSession *session)
{
    return session->options.role == MIGRATE_SEND;
}

/* QEMU's own words (qapi/migration.json, MigrationStatus). "setup" at a
 * destination is also what it says when it only listens. */
static bool
is_idle(const MigrateSession *session, const char *status)
{
    static const char *const idle[] = {"none", "completed", "failed",
                                       "cancelled", NULL};
    bool listens = !is_source(session) && session->options.follow;
    return (listens && g_str_equal(status, "setup")) ||
           g_strv_contains(idle, status);
}

bool
migrate_recheck_idle(MigrateSession *session, GError **error)
{
    bool removed;
    if (session->guest.claim &&
        !migrate_claim_renew(session->guest.claim, &removed, error)) {
        return false;
    }
    g_autofree char *status =
        qmp_qemu_migration_status(session->guest.qmp, NULL, error);
    if (!status) {
        return false;
    }
    session->guest.was_idle = is_idle(session, status);
    return session->guest.was_idle ||
           error_set(error, ERROR_STATE,
                     "this QEMU is in the middle of another migration ('%s'), "
                     "which is left alone; wait until it has ended, or end it "
                     "first",
                     status);
}

static bool
check_waits(const char *state, GError **error)
{
    return g_str_equal(state, "inmigrate") ||
           error_set(error, ERROR_STATE,
                     "this QEMU is '%s', not waiting for a guest; start it "
                     "with -incoming defer",
                     state);
}

/* QEMU before 8.2 leaves a guest that was paused so, too, when its migration
 * has failed or was cancelled in the end, and refuses to migrate it again. */
static bool
report_postmigrate(MigrateSession *session, GError **error)
{
    g_autofree char *status =
        qmp_qemu_migration_status(session->guest.qmp, NULL, NULL);
    bool stayed = g_strcmp0(status, "cancelled") == 0 ||
                  g_strcmp0(status, "failed") == 0;
    return error_set(
        error, ERROR_STATE, "the guest is 'postmigrate': %s",
        stayed ? "it was paused when a migration of it was given up, so it is "
                 "still here, but QEMU moves it only after it has run; say "
                 "'cont' (and 'stop', to move it paused), then try again"
               : "it has been migrated away from this QEMU, and may run "
                 "elsewhere; if you know that it does not, start it here with "
                 "'cont', then try again");
}

static bool
check_can_leave(MigrateSession *session, const char *state, GError **error)
{
    if (g_str_equal(state, "inmigrate")) {
        return error_set(error, ERROR_STATE,
                         "this QEMU waits for a guest itself; give send the "
                         "monitor of the QEMU that runs it");
    }
    if (g_str_equal(state, "postmigrate")) {
        return report_postmigrate(session, error);
    }
    return g_str_equal(state, "running") || g_str_equal(state, "paused") ||
           g_str_equal(state, "prelaunch") ||
           error_set(error, ERROR_STATE,
                     "the guest is '%s': only a running or paused one can be "
                     "moved",
                     state);
}

bool
migrate_recheck_run_state(MigrateSession *session, GError **error)
{
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, error);
    if (!state) {
        return false;
    }
    if (!is_source(session)) {
        return check_waits(state, error);
    }
    session->guest.ran = g_str_equal(state, "running");
    return check_can_leave(session, state, error);
}

static const QmpRamBlock *
find_block(GArray *blocks, const char *name)
{
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (strcmp(block->name, name) == 0) {
            return block;
        }
    }
    return NULL;
}

static bool
report_change(const char *name, const char *what, GError **error)
{
    return error_set(error, ERROR_STATE,
                     "RAM block '%s' %s while the migration was being "
                     "prepared; begin again, and plug or unplug nothing until "
                     "the guest has moved",
                     name, what);
}

/* Who took over from another process knows only our own. */
static bool
check_all_known(GArray *before, GArray *now, GError **error)
{
    for (guint i = 0; before && i < now->len; i++) {
        const char *name = g_array_index(now, QmpRamBlock, i).name;
        if (!find_block(before, name)) {
            return report_change(name, "was added", error);
        }
    }
    for (guint i = 0; before && i < before->len; i++) {
        const char *name = g_array_index(before, QmpRamBlock, i).name;
        if (!find_block(now, name)) {
            return report_change(name, "was taken away", error);
        }
    }
    return true;
}

/* Ours alone: what QEMU's own stream carries may change its used length (ACPI
 * tables, when the guest is reset). Before QEMU 8.0 there are no addresses to
 * compare. */
static bool
check_unchanged(const MigrateSession *session, GArray *now, GError **error)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *old = &session->guest.ram->blocks[i];
        const QmpRamBlock *new = find_block(now, old->name);
        if (!new) {
            return report_change(old->name, "was taken away", error);
        }
        if (new->bytes != old->bytes) {
            return report_change(old->name, "has another size", error);
        }
        if (new->hva != 0 && new->hva != old->hva) {
            return report_change(old->name, "was replaced", error);
        }
        if (new->hva == 0 && session->guest.unplugged) {
            return error_set(error, ERROR_STATE,
                             "a device was unplugged while the migration was "
                             "being prepared, and this QEMU (before 8.0) does "
                             "not tell whether RAM went with it; begin again");
        }
    }
    return true;
}

bool
migrate_recheck_blocks(MigrateSession *session, GError **error)
{
    g_autoptr(GArray) now = qmp_qemu_list_ram_blocks(session->guest.qmp, error);
    return now && check_all_known(session->guest.blocks, now, error) &&
           check_unchanged(session, now, error);
}

bool
migrate_recheck_guest(MigrateSession *session, GError **error)
{
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    if (!migrate_recheck_blocks(session, error)) {
        return false;
    }
    migrate_check_devices(session->guest.qmp, findings);
    return migrate_findings_judge(findings, error);
}

bool
migrate_recheck_whole(MigrateSession *session, GError **error)
{
    if (!is_source(session)) {
        return true;
    }
    g_autoptr(GArray) descriptors =
        attach_list_userfaultfds(session->guest.pid, error);
    if (!descriptors || descriptors->len == 0) {
        return descriptors != NULL;
    }
    g_autoptr(GArray) maps = proc_maps_read(session->guest.pid, true, error);
    for (guint i = 0; maps && i < maps->len; i++) {
        const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
        if (proc_mapping_has_flag(m, "um") || proc_mapping_has_flag(m, "ui")) {
            return error_set(
                error, ERROR_STATE,
                "memory of QEMU %d at 0x%" PRIx64 " is registered with a "
                "userfaultfd: a part of the guest's memory may still be on "
                "the host that it came from; let that migration end first "
                "(if its receiver was killed: 'postlude receive --resume')",
                (int)session->guest.pid, m->start);
        }
    }
    return maps != NULL;
}
