/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From RUN to a running guest: see migrate-start.h.
 */
#include "migrate/drive/migrate-start.h"

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-record.h"
#include "migrate/session/migrate-wait.h"

#define END_MS 1000
#define ASK_MS 4000

static bool
runs_now(MigrateSession *session)
{
    return session->guest.resumed;
}

/* "cont" got no answer: a QEMU that lives may carry it out yet, and then the
 * guest must not be started at the source. The time is for one that is just
 * ending: its descriptors are closed before its process counts as dead. */
static bool
may_still_start(const MigrateSession *session, const GError *why)
{
    bool refused = error_is(why, ERROR_FAILED) ||
                   error_is(why, ERROR_UNSUPPORTED);
    return !refused && !proc_life_has_ended(session->guest.pidfd, END_MS);
}

/* From the first byte of "cont" to its answer, which a QEMU that waits for a
 * page owes for long, the guest runs here or does not; a successor has to ask,
 * and can only know that it must from the journal. */
static bool
note_starting(MigrateSession *session, GError **error)
{
    session->destination.starting = true;
    if (!migrate_record_write(session, error)) {
        session->destination.starting = false;
        g_prefix_error(error, "the start of the guest cannot be recorded, so "
                              "it is not started: ");
        return false;
    }
    return true;
}

/* QEMU is gone without an answer to "cont", but had said that the guest runs:
 * then it must not be started at the source. */
static bool
did_start(MigrateSession *session)
{
    migrate_wait_take_in(session, NULL);
    return session->destination.ran;
}

static void
note_not_started(MigrateSession *session)
{
    session->destination.starting = false;
    migrate_record_write(session, NULL); /* who asks QEMU learns it, too */
}

/* One that panicked or was powered off between the source's last look and the
 * stop brings that along, and is not to be started. QEMU "inmigrate" is about
 * to be paused; one that does not answer is told to start, and may answer
 * then. */
static bool
is_to_be_left(MigrateSession *session)
{
    static const char *const startable[] = {"paused", "inmigrate", "prelaunch",
                                            "running", NULL};
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, NULL);
    if (!state || g_strv_contains(startable, state)) {
        return false;
    }
    g_message("the guest is '%s', as it was at the source in the end, and is "
              "left so", state);
    return true;
}

/* A QEMU that does not answer is not waited for longer than the source waits
 * for us: it had the same RAM when it was asked before READY. */
bool
migrate_start_look(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    qmp_client_set_timeout(session->guest.qmp, ASK_MS);
    bool ok = migrate_recheck_blocks(session, &why);
    session->destination.left = ok && is_to_be_left(session);
    qmp_client_set_timeout(session->guest.qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    session->destination.looked = true;
    if (!ok && error_is(why, ERROR_RETRY)) {
        g_warning("QEMU's RAM blocks could not be looked at again: %s",
                  why->message);
        return true;
    }
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&why));
    }
    return ok;
}

/* Whether it is to be started at all. */
static bool
look_before_start(MigrateSession *session, bool *start, GError **error)
{
    if (!session->destination.looked && !migrate_start_look(session, error)) {
        return false;
    }
    *start = session->destination.start_guest && !session->options.paused &&
             !session->destination.left;
    return true;
}

/* The point of no return. Until "cont" was carried out the guest did not run
 * here, and saying so lets the source start it again. */
bool
migrate_start_guest(MigrateSession *session, GError **error)
{
    bool start;
    g_autoptr(GError) why = NULL;
    if (!look_before_start(session, &start, error)) {
        return false;
    }
    if (!start) {
        return migrate_commit(session, error);
    }
    if (!note_starting(session, error)) {
        return false;
    }
    if (!qmp_qemu_cont(session->guest.qmp, &why)) {
        if (error_is(why, ERROR_VM_GONE) && did_start(session)) {
            migrate_commit_anyway(session);
            return true;
        }
        if (!may_still_start(session, why)) {
            note_not_started(session);
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        g_warning("%s; QEMU may start the guest yet, so there is no way back; "
                  "if it stays paused, give it 'cont' by hand",
                  why->message);
        g_clear_error(&why);
    }
    migrate_commit_anyway(session);
    if (!migrate_wait(session, runs_now, session->patience.start_ms,
                      "the guest to start", &why) &&
        !session->guest.gone) {
        g_warning("%s", why->message);
    }
    return true;
}
