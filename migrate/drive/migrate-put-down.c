/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending QEMU: see migrate-put-down.h.
 *
 * To ask whether the guest runs and then to end QEMU is not enough: "cont" may
 * come in between, the guest runs for a moment, its driver finds QEMU gone and
 * starts it on the source, and it has run twice. So QEMU's process is stopped
 * first. QEMU writes RESUME to its monitors before it lets a vCPU run
 * (vm_prepare_start(), softmmu/cpus.c): if it is not among what QEMU has
 * written when its threads stand, the guest has not run, and now never will.
 *
 * A receiver that is killed in between leaves a QEMU that stands still for
 * ever. Its attendant tells QEMU to go on; if there is none, or it is killed as
 * well, who takes over does (migrate_put_down_take_back()).
 */
#include "migrate/drive/migrate-put-down.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/session/migrate-news.h"

#define ASK_MS 500
#define FREEZE_MS 2000

/* That it was stopped since changes nothing: it may have used its memory. */
static bool
has_run(const MigrateSession *session)
{
    return session->guest.resumed || session->destination.ran;
}

/* A QEMU that waits for a page does not answer, and has not started the guest
 * either. */
static bool
runs_now(MigrateSession *session)
{
    if (!session->guest.qmp) {
        return has_run(session);
    }
    qmp_client_set_timeout(session->guest.qmp, ASK_MS);
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, NULL);
    qmp_client_set_timeout(session->guest.qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    session->guest.resumed =
        session->guest.resumed || g_strcmp0(state, "running") == 0;
    return has_run(session);
}

static bool
put_down_freeze(MigrateSession *session, GError **error)
{
    MigrateAttendant *attendant = session->destination.attendant;
    return attendant ? migrate_attendant_freeze_qemu(attendant, error)
                     : proc_life_freeze(session->guest.pid, session->guest.pidfd,
                                        FREEZE_MS, error);
}

static void
put_down_thaw(MigrateSession *session)
{
    MigrateAttendant *attendant = session->destination.attendant;
    g_autoptr(GError) why = NULL;
    if (!attendant) {
        proc_life_thaw(session->guest.pidfd);
    } else if (!migrate_attendant_thaw_qemu(attendant, &why)) {
        g_warning("QEMU %d is stopped and cannot be told to go on: %s; run "
                  "'kill -CONT %d'",
                  (int)session->guest.pid, why->message, (int)session->guest.pid);
    }
}

static bool
kill_qemu(MigrateSession *session, GError **error)
{
    MigrateAttendant *attendant = session->destination.attendant;
    if (attendant) {
        return migrate_attendant_end_qemu(attendant, error);
    }
    return syscall(SYS_pidfd_send_signal, session->guest.pidfd, SIGKILL, NULL, 0) ==
               0 ||
           error_set_errno(error, errno, "end QEMU %d", (int)session->guest.pid);
}

/* A thread that is not seen to stand may be about to start the guest. */
static bool
freeze_or_let_go(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!put_down_freeze(session, &why)) {
        g_warning("%s; it is tried again", why->message);
        put_down_thaw(session);
        return false;
    }
    return true;
}

bool
migrate_put_down(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (runs_now(session) || !freeze_or_let_go(session)) {
        return false;
    }
    migrate_news_take_in(session, NULL);
    if (has_run(session)) {
        put_down_thaw(session);
        return false;
    }
    if (!kill_qemu(session, &why)) {
        g_warning("%s", why->message);
        put_down_thaw(session);
        return false;
    }
    return true;
}

void
migrate_put_down_take_back(MigrateSession *session)
{
    if (session->options.follow && proc_life_is_stopped(session->guest.pid)) {
        proc_life_thaw(session->guest.pidfd);
        g_message("QEMU %d was stopped (SIGSTOP), by the receiver that was "
                  "killed or by somebody else; it was told to go on",
                  (int)session->guest.pid);
    }
}
