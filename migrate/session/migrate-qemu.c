/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reaching QEMU: see migrate-qemu.h.
 */
#include "migrate/session/migrate-qemu.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/device/migrate-monitor.h"
#include "migrate/session/migrate-wait.h"

#define QMP_OPEN_MS 5000

/* From here to the end of this process no other one of ours looks at this QEMU
 * in order to move its guest. */
static bool
qemu_claim(MigrateSession *session, GError **error)
{
    session->guest.claim = migrate_claim_take(
        session->guest.pid, session->guest.started,
        session->options.role == MIGRATE_SEND ? "send" : "receive", error);
    return session->guest.claim != NULL;
}

static bool
open_process(MigrateSession *session, GError **error)
{
    if (session->guest.pidfd >= 0) {
        return true;
    }
    session->guest.pidfd = (int)syscall(SYS_pidfd_open, session->guest.pid, 0);
    if (session->guest.pidfd < 0) {
        return error_set_errno(error, errno, "open QEMU, process %d",
                               (int)session->guest.pid);
    }
    return proc_life_started(session->guest.pid, &session->guest.started,
                             error);
}

static bool
find_process(MigrateSession *session, const QmpClient *qmp, GError **error)
{
    if (session->guest.pid <= 0) {
        session->guest.pid = session->options.pid ? session->options.pid
                                            : qmp_client_peer_pid(qmp);
    }
    return (session->guest.pid > 0 ||
            error_set(error, ERROR_STATE,
                      "the monitor's socket does not tell which process "
                      "QEMU is; name it with --pid")) &&
           open_process(session, error);
}

/* The claim comes before the greeting: a monitor serves one client, so who is
 * second would only be told that somebody is there. */
bool
migrate_qemu_open(MigrateSession *session, GError **error)
{
    g_autoptr(QmpClient) qmp =
        qmp_client_connect(session->options.qmp_path, QMP_OPEN_MS, error);
    if (!qmp || !find_process(session, qmp, error) ||
        !(session->guest.claim || qemu_claim(session, error)) ||
        !qmp_client_greet(qmp, error) ||
        !migrate_monitor_belongs_to(qmp, session->guest.pid, error)) {
        return false;
    }
    qmp_client_set_timeout(qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    session->guest.qmp = g_steal_pointer(&qmp);
    session->guest.watch =
        migrate_wait_watch(session, qmp_client_fd(session->guest.qmp));
    return true;
}

void
migrate_qemu_restore(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->guest.capability || session->guest.gone) {
        return;
    }
    /* It may have been closed since. */
    if ((!session->guest.qmp && !migrate_qemu_open(session, &why)) ||
        !migrate_capability_restore(g_steal_pointer(&session->guest.capability),
                                    session->guest.qmp, &why)) {
        g_warning("%s", why->message);
    }
}

bool
migrate_qemu_clean(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    bool clean = session->guest.gone ||
                 ((session->guest.qmp ||
                   migrate_qemu_open(session, &why)) &&
                  migrate_capability_clear(session->guest.qmp, &why));
    if (!clean) {
        g_warning("%s", why->message);
    }
    return clean;
}

/* A QEMU that does not answer may wait for a page, so it counts as running. */
bool
migrate_qemu_may_run(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *state = migrate_qemu_open(session, &why)
                                 ? qmp_qemu_run_state(session->guest.qmp, &why)
                                 : NULL;
    if (!state) {
        g_warning("QEMU does not say whether the guest runs here, so it is "
                  "taken to run: %s; if it stays paused, give it 'cont' by "
                  "hand", why->message);
    }
    return !state || g_str_equal(state, "running");
}

bool
migrate_qemu_is_as_left(MigrateSession *session, bool *as_left, GError **error)
{
    return migrate_qemu_open(session, error) &&
           qmp_qemu_get_capability(session->guest.qmp, "x-ignore-shared",
                                   as_left, error);
}
