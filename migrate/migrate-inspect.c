/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Getting to know the guest: see migrate-inspect.h.
 */
#include "migrate/migrate-inspect.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/proc-life.h"
#include "migrate/migrate-archive.h"
#include "migrate/migrate-blocks.h"
#include "migrate/migrate-check.h"
#include "migrate/migrate-monitor.h"
#include "migrate/migrate-recheck.h"

#define QMP_OPEN_MS 5000

/* From here to the end of this process no other one of ours looks at this QEMU
 * in order to move its guest. */
static bool
claim(MigrateSession *session, GError **error)
{
    session->claim = migrate_claim_take(
        session->pid, session->qemu_started,
        session->options.role == MIGRATE_SEND ? "send" : "receive", error);
    return session->claim != NULL;
}

static bool
open_process(MigrateSession *session, GError **error)
{
    if (session->pidfd >= 0) {
        return true;
    }
    session->pidfd = (int)syscall(SYS_pidfd_open, session->pid, 0);
    if (session->pidfd < 0) {
        return error_set_errno(error, errno, "open QEMU, process %d",
                               (int)session->pid);
    }
    return proc_life_started(session->pid, &session->qemu_started, error);
}

static bool
find_process(MigrateSession *session, const QmpClient *qmp, GError **error)
{
    if (session->pid <= 0) {
        session->pid = session->options.pid ? session->options.pid
                                            : qmp_client_peer_pid(qmp);
    }
    return (session->pid > 0 ||
            error_set(error, ERROR_STATE,
                      "the socket does not tell QEMU's process; name it with "
                      "--pid")) &&
           open_process(session, error);
}

/* The claim comes before the greeting: a monitor serves one client, so who is
 * second would only be told that somebody is there. */
bool
migrate_inspect_open_monitor(MigrateSession *session, GError **error)
{
    g_autoptr(QmpClient) qmp =
        qmp_client_connect(session->options.qmp_path, QMP_OPEN_MS, error);
    if (!qmp || !find_process(session, qmp, error) ||
        !(session->claim || claim(session, error)) ||
        !qmp_client_greet(qmp, error) ||
        !migrate_monitor_belongs_to(qmp, session->pid, error)) {
        return false;
    }
    qmp_client_set_timeout(qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    session->qmp = g_steal_pointer(&qmp);
    session->watch_qmp =
        migrate_session_watch(session, qmp_client_fd(session->qmp));
    return true;
}

/* What a helper was killed over does not stand in the way of a new migration: a
 * receiver's, if it had not got as far as to say "cont" (QEMU waits for a guest,
 * and what lies in its RAM is nobody's); a sender's that had not said RUN, if
 * somebody has put QEMU right by hand (see migrate-resume.c). */
static bool
is_settled(MigrateSession *session, const MigrateJournal *journal)
{
    bool on = true;
    if (journal->committed || journal->starting ||
        journal->options.role != session->options.role) {
        return false;
    }
    return journal->options.role == MIGRATE_RECEIVE ||
           (qmp_qemu_get_capability(session->qmp, "x-ignore-shared", &on,
                                    NULL) &&
            !on);
}

static bool
report_interrupted(MigrateSession *session, const MigrateJournal *journal,
                   GError **error)
{
    bool receive = journal->options.role == MIGRATE_RECEIVE;
    const char *verb = receive ? "receive" : "send";
    return error_set(
        error, ERROR_STATE,
        "a 'postlude %s' on QEMU %d was killed in the middle of a migration "
        "(%s)%s; run 'postlude %s --resume' first, which %s, or 'postlude %s "
        "--give-up' if you know that nobody needs it any more",
        verb, (int)session->pid, journal->options.address,
        receive ? ", and a part of the guest's memory may still be on the "
                  "host that it came from"
                : "",
        verb,
        receive || journal->committed ? "goes on with it" : "takes it back",
        verb);
}

static bool
check_not_interrupted(MigrateSession *session, MigrateRole role,
                      GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    g_autoptr(GError) why = NULL;
    if (migrate_archive_read(role, session->pid, session->qemu_started,
                             &journal, &why)) {
        return is_settled(session, &journal) ||
               report_interrupted(session, &journal, error);
    }
    return !why || error_set(error, ERROR_STATE,
                             "a helper worked on QEMU %d before, and what it "
                             "left cannot be read: %s",
                             (int)session->pid, why->message);
}

static bool
refuse_what_is_unsafe(MigrateSession *session, GError **error)
{
    bool destination = session->options.role == MIGRATE_RECEIVE;
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    GArray *blocks = session->blocks =
        qmp_qemu_ram_blocks(session->qmp, error);
    if (!blocks) {
        return false;
    }
    migrate_check_host(destination, findings);
    migrate_check_capability(session->qmp, findings);
    migrate_blocks_check(session->qmp, blocks, session->pid, findings);
    migrate_check_devices(session->qmp, findings);
    if (!migrate_findings_judge(findings, error)) {
        return false;
    }
    session->ram = migrate_ram_new(blocks, session->pid, destination, error);
    if (!session->ram) {
        return false;
    }
    g_autoptr(GPtrArray) more = migrate_findings_new();
    migrate_check_ram(session->ram, session->pid, more);
    return migrate_findings_judge(more, error);
}

bool
migrate_inspect_guest(MigrateSession *session, GError **error)
{
    if (!migrate_inspect_open_monitor(session, error) ||
        !qmp_qemu_identity(session->qmp, &session->identity, error)) {
        return false;
    }
    if (session->identity.name && session->identity.name[0]) {
        log_set_vm(session->identity.name);
    }
    if (!check_not_interrupted(session, MIGRATE_RECEIVE, error) ||
        !check_not_interrupted(session, MIGRATE_SEND, error) ||
        !migrate_recheck_idle(session, error) ||
        !migrate_recheck_run_state(session, error) ||
        !migrate_recheck_whole(session, error) ||
        !refuse_what_is_unsafe(session, error)) {
        return false;
    }
    session->report.vm_name = g_strdup(session->identity.name);
    session->report.vm_uuid = g_strdup(session->identity.uuid);
    session->report.ram_bytes = session->ram->bytes;
    return true;
}
