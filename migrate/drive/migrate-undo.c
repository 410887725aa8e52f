/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest stays at the source after all: see migrate-undo.h.
 */
#include "migrate/drive/migrate-undo.h"

#include "base/fd.h"
#include "migrate/device/migrate-socket.h"
#include "migrate/drive/migrate-handover.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/takeover/migrate-archive.h"

#define REVIVE_MS 2000
#define PAUSE_US 10000

static bool
is_over(const char *status)
{
    static const char *const over[] = {"none", "completed", "failed",
                                       "cancelled", NULL};
    return g_strv_contains(over, status);
}

/* Ours, and not ended by an event that was heard: a migration that QEMU runs
 * after that is somebody else's. */
static bool
is_ours_to_cancel(MigrateSession *session)
{
    migrate_wait_take_in(session, NULL);
    const char *heard = session->guest.migration;
    return session->source.begun && !(heard && is_over(heard));
}

static void
cancel(MigrateSession *session, const char *status)
{
    if (g_str_equal(status, "cancelling")) {
        qmp_qemu_migrate_cancel_again(session->guest.qmp, NULL);
    } else {
        qmp_qemu_migrate_cancel(session->guest.qmp, NULL);
    }
}

/* Whoever began it may not know that somebody else switched the pause on, and
 * meanwhile the guest stands still. It left the guest's RAM out, too. */
static void
say_that_it_waits(bool *said)
{
    if (!*said) {
        g_warning("QEMU's other migration, which is left alone, waits for "
                  "'migrate-continue' because pause-before-switchover was "
                  "switched on for this one, and the guest stands still; it "
                  "leaves out the guest's RAM as well: say 'migrate_cancel', "
                  "and begin it again");
        *said = true;
    }
}

/* Undo waits by asking, not by events: a failed session may have no ears.
 * Somebody else's migration is waited for as well: while it runs QEMU changes
 * no capability, and ours must not stay on. */
static void
wait_until_qemu_settled(MigrateSession *session)
{
    uint64_t deadline = fd_deadline_ns(session->patience.cancel_ms);
    bool said = false;
    while (fd_now_ns() < deadline) {
        g_autofree char *status =
            qmp_qemu_migration_status(session->guest.qmp, NULL, NULL);
        if (!status || is_over(status)) {
            return;
        }
        if (is_ours_to_cancel(session)) {
            cancel(session, status);
        } else if (g_str_equal(status, "pre-switchover")) {
            say_that_it_waits(&said);
        }
        g_usleep(PAUSE_US);
    }
    g_warning("QEMU's migration did not end within %d s",
              session->patience.cancel_ms / 1000);
}

/* QEMU itself starts the guest again when its migration fails. What it leaves
 * stopped is one that it had handed over; and then only if that migration was
 * ours, because another one's guest runs elsewhere. */
static bool
is_ours_to_start(const MigrateSession *session, const char *state)
{
    return session->source.begun && session->guest.ran &&
           !session->guest.crashed &&
           (g_str_equal(state, "postmigrate") ||
            g_str_equal(state, "finish-migrate"));
}

/* QEMU says that its migration failed a moment before it starts the guest, and
 * lets nobody else start it meanwhile. */
static bool
start_guest(MigrateSession *session, char **state, GError **error)
{
    uint64_t deadline = fd_deadline_ns(REVIVE_MS);
    for (;;) {
        g_autoptr(GError) why = NULL;
        if (qmp_qemu_cont(session->guest.qmp, &why)) {
            return true;
        }
        g_usleep(PAUSE_US);
        g_free(*state);
        *state = qmp_qemu_run_state(session->guest.qmp, NULL);
        if (g_strcmp0(*state, "running") == 0) {
            return true;
        }
        if (fd_now_ns() > deadline) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
}

static const char *
remedy(const MigrateSession *session, const char *state)
{
    bool left = session->guest.ran && g_str_equal(state, "postmigrate");
    return left ? "; if you are sure that it does not run elsewhere, start it "
                  "with 'cont'"
                : "";
}

static void
revive_guest(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, &why);
    if (!state) {
        g_warning("cannot ask QEMU whether the guest runs: %s", why->message);
    } else if (g_str_equal(state, "running")) {
        g_message("the guest runs on the source"); /* QEMU started it again */
    } else if (!is_ours_to_start(session, state)) {
        g_message("the guest is '%s' on the source%s%s", state,
                  session->source.begun ? "" : ", as it was",
                  remedy(session, state));
    } else if (!start_guest(session, &state, &why)) {
        g_warning("the guest is '%s' on the source and cannot be started "
                  "again: %s; try 'cont' by hand",
                  state ? state : "not answering", why->message);
    } else {
        g_message("the guest runs on the source");
    }
}

/* Another's migration outlasted our patience, so a capability of ours is still
 * on: the journal says so to the next one. */
static void
keep_journal(MigrateSession *session)
{
    if (session->archive) {
        g_warning("run 'postlude send --resume' when QEMU's other migration "
                  "has ended: it switches off what this one leaves on");
        g_clear_pointer(&session->archive, migrate_archive_close);
    }
}

void
migrate_undo_switchover(MigrateSession *session)
{
    /* A broken tunnel ends QEMU's migration if the cancel does not. */
    migrate_outlet_stop_threads(session);
    if (session->guest.gone) {
        g_warning("the source's QEMU has ended by itself");
        return;
    }
    session->operator.interrupted = false; /* heard; now QEMU is listened to */
    if (session->source.begun || session->guest.capability ||
        session->options.resume) {
        wait_until_qemu_settled(session);
    }
    migrate_socket_forget(session->guest.qmp);
    /* In this order: who takes over, if we die in between, starts the guest only
     * while x-ignore-shared is on (migrate-begun.c). */
    revive_guest(session);
    if (!migrate_handover_restore(session)) {
        keep_journal(session);
    }
}
