/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending what a helper that died left: see migrate-give-up.h.
 */
#include "migrate/takeover/migrate-give-up.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/device/migrate-capability.h"
#include "migrate/device/migrate-monitor.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-claim.h"
#include "migrate/takeover/migrate-journal.h"
#include "migrate/takeover/migrate-keeper.h"

#define CLEAN_MS 5000

static bool
end_qemu(const MigrateJournal *journal, GError **error)
{
    g_autoptr(GError) why = NULL;
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, &why);
    return error_is(why, ERROR_VM_GONE) || /* by itself, and was not told */
           (pidfd >= 0 &&
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0) ||
           error_set(error, ERROR_FAILED, "cannot end QEMU %d",
                     (int)journal->qemu_pid);
}

/* QEMU may live, and a later migration must not leave out its RAM. */
static void
clean_left(const MigrateJournal *journal)
{
    g_autoptr(GError) why = NULL;
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, NULL);
    if (pidfd < 0) {
        return;
    }
    g_autoptr(QmpClient) qmp =
        qmp_client_open(journal->options.qmp_path, CLEAN_MS, &why);
    if (!qmp || !migrate_monitor_belongs_to(qmp, journal->qemu_pid, &why) ||
        !migrate_capability_clear(qmp, &why)) {
        g_warning("x-ignore-shared may still be on in QEMU %d: %s; switch it "
                  "off before its next migration (docs/failure.md)",
                  (int)journal->qemu_pid, why->message);
    }
}

static bool
let_go(const MigrateJournal *journal, GError **error)
{
    g_autoptr(MigrateClaim) claim = migrate_claim_take(
        journal->qemu_pid, journal->qemu_started, "send", error);
    MigrateArchive *archive =
        claim ? migrate_archive_open(MIGRATE_SEND, journal->qemu_pid,
                                     journal->qemu_started, error)
              : NULL;
    if (!archive) {
        g_prefix_error(error, "end it first (kill -9): ");
        return false;
    }
    g_autofree char *keeper =
        migrate_archive_keeper_path(journal->qemu_pid,
                                    journal->qemu_started);
    migrate_keeper_release(keeper);
    clean_left(journal);
    migrate_archive_remove(archive);
    return true;
}

bool
migrate_give_up(const MigrateOptions *options, GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    if (!migrate_archive_find(options, &journal, error)) {
        return false;
    }
    MigrateRole role = options->role;
    if (role == MIGRATE_SEND) {
        return let_go(&journal, error);
    }
    if (!end_qemu(&journal, error)) {
        return false;
    }
    /* A receiver at work sees that and cleans up by itself. */
    g_autoptr(MigrateClaim) claim = migrate_claim_take(
        journal.qemu_pid, journal.qemu_started, "receive", NULL);
    MigrateArchive *archive =
        claim ? migrate_archive_open(role, journal.qemu_pid,
                                     journal.qemu_started, NULL)
              : NULL;
    if (archive) {
        migrate_archive_remove(archive);
    }
    return true;
}
