/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Run states in words: see migrate-run-state.h.
 */
#include "migrate/check/migrate-run-state.h"

#include <string.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/core/migrate-findings.h"
#include "migrate/device/migrate-monitor.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-claim.h"
#include "qmp/qmp-qemu.h"

#define SOURCE_ONLY                                                           \
    "look where the guest runs before anything else: 'cont' here while it "   \
    "runs elsewhere would run it twice. If it does run elsewhere, end this "  \
    "QEMU; if it went to a file or nowhere, 'cont' in this monitor starts it "\
    "again"

/* RunState of QEMU's qapi/run-state.json, 7.2 to 10.x. */
typedef struct {
    const char *state;
    const char *what;
    const char *remedy; /* NULL: it can be moved so */
} Meaning;

static const Meaning meanings[] = {
    {"running", "the guest runs", NULL},
    {"paused", "the guest is paused, and arrives paused", NULL},
    {"prelaunch", "the guest has not been started yet (prelaunch), and arrives "
                  "paused", NULL},
    {"postmigrate", "the guest is not here any more: QEMU has migrated it away "
                    "(postmigrate)", SOURCE_ONLY},
    {"finish-migrate", "QEMU is just migrating the guest away "
                       "(finish-migrate)", "wait for its end"},
    {"guest-panicked", "the guest has panicked",
     "restart it ('system_reset', then 'cont', in the monitor)"},
    {"shutdown", "the guest has shut down, and QEMU keeps it (-no-shutdown)",
     "start it again ('system_reset', then 'cont', in the monitor), or end "
     "this QEMU"},
    {"suspended", "the guest sleeps (suspended)",
     "wake it ('system_wakeup' in the monitor)"},
    {"io-error", "the guest stands still because of an error of its disk "
                 "(io-error)",
     "mend the disk, or make room for it, then 'cont' in the monitor"},
    {"internal-error", "QEMU stopped the guest for an error of its own "
                       "(internal-error)", "see QEMU's log; restart the guest"},
    {"watchdog", "the guest's watchdog has stopped it",
     "'cont' in the monitor, or restart it"},
    {"save-vm", "QEMU is just saving the guest", "wait for its end"},
    {"restore-vm", "QEMU is just restoring the guest", "wait for its end"},
};

/* A guest, not a QEMU that waits for one. */
static void
check_guest_state(const char *state, GPtrArray *findings)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(meanings); i++) {
        const Meaning *m = &meanings[i];
        if (strcmp(state, m->state) == 0) {
            migrate_findings_add(findings,
                                 m->remedy ? MIGRATE_CHECK_MISSING
                                           : MIGRATE_CHECK_OK,
                                 m->remedy, "%s", m->what);
            return;
        }
    }
    migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                         "only a running or paused guest can be moved",
                         "the guest is in QEMU's run state '%s'", state);
}

static void
check_migration(QmpClient *client, GPtrArray *findings)
{
    static const char *const idle[] = {"none", "failed", "cancelled",
                                       "completed", NULL};
    g_autofree char *status = qmp_qemu_migration_status(client, NULL, NULL);
    if (status && !g_strv_contains(idle, status)) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "wait for its end, or cancel it where it was "
                             "started",
                             "a migration of this QEMU is under way ('%s')",
                             status);
    }
}

static void
check_killed(pid_t pid, GPtrArray *findings)
{
    g_autoptr(GPtrArray) journals = migrate_archive_orphans();
    for (guint i = 0; i < journals->len; i++) {
        const MigrateJournal *j = g_ptr_array_index(journals, i);
        const char *verb =
            j->options.role == MIGRATE_SEND ? "send" : "receive";
        /* What such a one had armed is nobody's: the next replaces it. */
        bool matters = j->options.role == MIGRATE_SEND || j->committed ||
                       j->starting;
        if (j->qemu_pid == pid && matters) {
            g_autofree char *remedy =
                g_strdup_printf("run 'postlude %s --resume'", verb);
            migrate_findings_add(findings, MIGRATE_CHECK_MISSING, remedy,
                                 "a 'postlude %s' on this QEMU was killed in "
                                 "the middle of a migration",
                                 verb);
        }
    }
}

/* As send and receive would refuse it. */
void
migrate_run_state_check_hands(QmpClient *client, pid_t pid,
                              GPtrArray *findings)
{
    uint64_t started;
    g_autofree char *holder = NULL;
    g_autoptr(GError) why = NULL;
    if (!migrate_monitor_belongs_to(client, pid, &why)) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             error_is(why, ERROR_STATE)
                                 ? "leave --pid out, or name the right process"
                                 : "see QEMU's log", "%s", why->message);
    } else if (proc_life_started(pid, &started, NULL) &&
               migrate_claim_is_held(pid, started, &holder)) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "'postlude status' shows it; wait for its end, or "
                             "stop it",
                             "a helper of Postlude is at work on this QEMU "
                             "('postlude %s')", holder ? holder : "?");
    } else {
        check_killed(pid, findings);
    }
}

void
migrate_run_state_check(QmpClient *client, MigrateChecked *checked,
                        GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    checked->subject = MIGRATE_SUBJECT_GUEST;
    checked->state = qmp_qemu_run_state(client, &why);
    if (!checked->state) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "see QEMU's log",
                             "QEMU does not say how the guest is: %s",
                             why->message);
    } else if (strcmp(checked->state, "inmigrate") == 0) {
        checked->subject = MIGRATE_SUBJECT_WAITING;
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "no guest runs here: QEMU waits for one "
                             "(-incoming), which 'postlude receive' brings");
    } else {
        check_guest_state(checked->state, findings);
    }
    check_migration(client, findings);
}
