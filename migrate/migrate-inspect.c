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
#include "migrate/migrate-check.h"

#define QMP_OPEN_MS 5000

bool
migrate_inspect_open_monitor(MigrateSession *session, GError **error)
{
    session->qmp =
        qmp_client_open(session->options.qmp_path, QMP_OPEN_MS, error);
    if (!session->qmp) {
        return false;
    }
    qmp_client_set_timeout(session->qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    session->watch_qmp =
        migrate_session_watch(session, qmp_client_fd(session->qmp));
    session->pid = session->options.pid ? session->options.pid
                                        : qmp_client_peer_pid(session->qmp);
    if (session->pid <= 0) {
        return error_set(error, ERROR_STATE,
                         "the socket does not tell QEMU's process; name it "
                         "with --pid");
    }
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
check_run_state(MigrateSession *session, GError **error)
{
    bool destination = session->options.role == MIGRATE_RECEIVE;
    g_autofree char *state = qmp_qemu_run_state(session->qmp, error);
    if (!state) {
        return false;
    }
    bool incoming = g_str_equal(state, "inmigrate");
    if (destination && !incoming) {
        return error_set(error, ERROR_STATE,
                         "this QEMU is '%s', not waiting for a guest; start "
                         "it with -incoming defer",
                         state);
    }
    if (!destination && incoming) {
        return error_set(error, ERROR_STATE,
                         "this QEMU waits for a guest itself; give send the "
                         "monitor of the QEMU that runs it");
    }
    session->guest_ran = g_str_equal(state, "running");
    if (!destination && !session->guest_ran &&
        !g_str_equal(state, "paused") && !g_str_equal(state, "prelaunch")) {
        return error_set(error, ERROR_STATE,
                         "the guest is '%s': only a running or paused one can "
                         "be moved",
                         state);
    }
    return true;
}

static bool
refuse_what_is_unsafe(MigrateSession *session, GError **error)
{
    bool destination = session->options.role == MIGRATE_RECEIVE;
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    g_autoptr(GArray) blocks = qmp_qemu_ram_blocks(session->qmp, error);
    if (!blocks) {
        return false;
    }
    migrate_check_host(destination, findings);
    migrate_check_capability(session->qmp, findings);
    migrate_check_blocks(session->qmp, blocks, findings);
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
    if (!check_run_state(session, error) ||
        !refuse_what_is_unsafe(session, error)) {
        return false;
    }
    session->report.vm_name = g_strdup(session->identity.name);
    session->report.vm_uuid = g_strdup(session->identity.uuid);
    session->report.ram_bytes = session->ram->bytes;
    return true;
}
