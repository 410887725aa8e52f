/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over at the source: see migrate-resume-source.h.
 */
#include "migrate/story/migrate-resume-source.h"

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/drive/migrate-driver.h"
#include "migrate/link/migrate-lobby.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-twice.h"
#include "migrate/story/migrate-resume.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-fdstore.h"
#include "migrate/takeover/migrate-keeper.h"

/* In the order of who is likely to have them: systemd gave them to us at the
 * start; the keeper; QEMU, if it lives. */
static bool
reopen_source(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *keeper =
        migrate_archive_keeper_path(session->guest.pid, session->guest.started);
    migrate_fdstore_fetch(session->guest.ram);
    bool is_kept = migrate_keeper_fetch(keeper, session->guest.ram, &why);
    if (!is_kept) {
        g_debug("%s", why->message);
    }
    if (!migrate_ram_reopen(session->guest.ram, session->guest.pid, false,
                            error)) {
        g_prefix_error(error, "the guest's memory on this host is lost "
                              "(neither QEMU, the keeper nor systemd has "
                              "it): ");
        return false;
    }
    migrate_holder_renew(session, keeper, is_kept);
    return migrate_ram_map(session->guest.ram, false, error);
}

static void
find_qemu(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    session->guest.pidfd =
        proc_life_open(session->guest.pid, session->guest.started, &why);
    session->guest.gone = session->guest.pidfd < 0;
    if (session->guest.gone) {
        g_message("the source's QEMU has ended (%s); its memory is held here",
                  why->message);
    }
}

/* The point of no return is said by us, but with --follow by QEMU: then it may
 * have been passed while nobody was here to note it. */
static bool
was_passed_since(MigrateSession *session, GError **error)
{
    if (session->driver->was_passed_unseen(session, error)) {
        return true;
    }
    return !session->source.unasked &&
           error_set(error, ERROR_CANCELLED, "the sender ended %s; what it "
                                             "had changed in QEMU is undone",
                     session->peer.refused
                         ? "when the destination had said that the guest did "
                           "not start there"
                         : "before the point of no return");
}

void
migrate_resume_undo_source(MigrateSession *session)
{
    if (!session->guest.claim) {
        return; /* somebody else's work */
    }
    if (session->source.unasked && !session->guest.gone) {
        g_warning("QEMU cannot be asked, so nothing was decided: what the "
                  "sender had begun is still to be taken back; run 'postlude "
                  "send --resume' again when QEMU's monitor answers");
        g_clear_pointer(&session->archive, migrate_archive_close);
    } else if (session->guest.gone) {
        g_warning("the source's QEMU has ended by itself");
    } else {
        session->driver->source_undo(session);
    }
}

/* The guest has gone over, and QEMU calls it so until somebody starts it, while
 * no sender was at work to hear QEMU say that; also if it was stopped again
 * since. */
static void
look_whether_it_ran_here_too(MigrateSession *session)
{
    g_autofree char *state =
        session->guest.qmp && !session->guest.gone
            ? qmp_qemu_run_state(session->guest.qmp, NULL)
            : NULL;
    if (state && !g_str_equal(state, "postmigrate") &&
        !g_str_equal(state, "finish-migrate")) {
        session->source.ran_again = true;
        migrate_twice_watch(session);
    }
}

bool
migrate_resume_source(MigrateSession *session, GError **error)
{
    find_qemu(session);
    if (!migrate_resume_claim(session, error)) {
        return false;
    }
    if (!session->past_no_return && !was_passed_since(session, error)) {
        return false;
    }
    migrate_commit_anyway(session);
    if (!reopen_source(session, error) ||
        !migrate_lobby_listen(session, error) ||
        !migrate_lobby_open_door(session, error) ||
        !session->driver->wait_running(session, error)) {
        return false;
    }
    migrate_qemu_clean(session);
    look_whether_it_ran_here_too(session);
    return true;
}
