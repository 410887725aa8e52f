/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The story of a migration as a table. Each stage has a name, what the source
 * and what the destination does in it, and how either takes it back. The
 * point of no return lies inside SWITCHOVER: when the source tells the
 * destination to start the guest. Until then every failure runs the undo
 * column upwards and ends with the guest running on the source; from then on
 * nothing is undone any more.
 */
#include "migrate/story/migrate-stages.h"

#include "base/error.h"
#include "base/fd.h"
#include "migrate/drive/migrate-follow.h"
#include "migrate/drive/migrate-own.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-mailbox.h"
#include "migrate/story/migrate-destination.h"
#include "migrate/story/migrate-inspect.h"
#include "migrate/story/migrate-resume-destination.h"
#include "migrate/story/migrate-resume-source.h"
#include "migrate/story/migrate-settle.h"
#include "migrate/story/migrate-source.h"
#include "migrate/story/migrate-switchover.h"
#include "migrate/takeover/migrate-archive.h"

typedef bool (*Action)(MigrateSession *session, GError **error);
typedef void (*Undo)(MigrateSession *session);

typedef struct {
    Action source, destination;
    Undo source_undo, destination_undo;
} Stage;

static const Stage stages[] = {
    [MIGRATE_INSPECT] = {migrate_inspect_guest, migrate_inspect_guest,
                         migrate_switchover_forbid, NULL},
    [MIGRATE_CONNECT] = {migrate_source_connect, migrate_destination_connect,
                         NULL, NULL},
    [MIGRATE_AGREE] = {migrate_source_agree, migrate_destination_agree,
                       NULL, NULL},
    [MIGRATE_PREPARE] = {migrate_source_prepare, migrate_destination_prepare,
                         NULL, migrate_destination_unprepare},
    [MIGRATE_WAIT] = {migrate_source_wait, migrate_destination_wait,
                      NULL, NULL},
    [MIGRATE_SWITCHOVER] = {migrate_switchover_source,
                            migrate_switchover_destination,
                            migrate_switchover_undo_source,
                            migrate_switchover_undo_destination},
    [MIGRATE_POSTCOPY] = {migrate_switchover_postcopy_source,
                          migrate_switchover_postcopy_destination,
                          NULL, NULL},
    [MIGRATE_SETTLE] = {migrate_source_settle, migrate_settle_destination,
                        NULL, NULL},
};
G_STATIC_ASSERT(G_N_ELEMENTS(stages) == MIGRATE_OVER);

/* In the place of SWITCHOVER for who takes over from a helper that died. */
static const Stage resumed = {migrate_resume_source,
                              migrate_resume_destination,
                              migrate_resume_undo_source,
                              migrate_resume_undo_destination};

static const Stage *
stage_of(const MigrateSession *session, unsigned id)
{
    bool takes_over = session->options.resume && id == MIGRATE_SWITCHOVER;
    return takes_over ? &resumed : &stages[id];
}

static bool
run_stage(MigrateSession *session, GError **error)
{
    const Stage *stage = stage_of(session, session->stage);
    Action action = session->options.role == MIGRATE_SEND
                        ? stage->source
                        : stage->destination;
    g_debug("stage %s", migrate_stage_id_name(session->stage));
    migrate_session_step(session, migrate_stage_id_name(session->stage));
    if (action && !action(session, error)) {
        g_prefix_error(error, "%s: ", migrate_stage_id_name(session->stage));
        return false;
    }
    return true;
}

static void
undo_all(MigrateSession *session)
{
    for (int i = (int)session->stage; i >= 0; i--) {
        const Stage *stage = stage_of(session, (unsigned)i);
        Undo undo = session->options.role == MIGRATE_SEND
                        ? stage->source_undo
                        : stage->destination_undo;
        if (undo) {
            g_debug("undo %s", migrate_stage_id_name((MigrateStageId)i));
            undo(session);
        }
    }
}

static MigrateExit
stages_fail(MigrateSession *session, const GError *why)
{
    bool usage = error_is(why, ERROR_USAGE);
    session->report.reason = g_strdup(why->message);
    if (session->past_no_return) {
        session->report.outcome = "given-up";
        return MIGRATE_EXIT_GIVEN_UP;
    }
    session->report.outcome =
        error_is(why, ERROR_CANCELLED) ? "cancelled" : "failed";
    migrate_mailbox_tell_abort(session, why->message);
    undo_all(session);
    return usage ? MIGRATE_EXIT_USAGE : MIGRATE_EXIT_FAILED;
}

/* Nobody has to take over any more. The source that could not go on after the
 * point of no return leaves everything: its QEMU may be gone, and it holds
 * what the guest needs. */
static void
leave_nothing(MigrateSession *session)
{
    bool send = session->options.role == MIGRATE_SEND;
    if (!session->archive || (send && session->past_no_return &&
                              session->stage != MIGRATE_OVER)) {
        return;
    }
    if (send) {
        migrate_holder_release(session);
    }
    g_clear_pointer(&session->archive, migrate_archive_remove);
}

MigrateExit
migrate_stages_run(MigrateSession *session, GError **error)
{
    MigrateExit result = MIGRATE_EXIT_DONE;
    session->report.outcome = "completed";
    if (!session->driver) {
        session->driver =
            session->options.follow ? &migrate_follow : &migrate_own;
    }
    if (session->options.resume) {
        session->stage = MIGRATE_SWITCHOVER;
    }
    while (session->stage != MIGRATE_OVER && result == MIGRATE_EXIT_DONE) {
        g_autoptr(GError) why = NULL;
        if (run_stage(session, &why)) {
            session->stage++;
        } else {
            result = stages_fail(session, why);
            g_propagate_error(error, g_steal_pointer(&why));
        }
    }
    if (result != MIGRATE_EXIT_GIVEN_UP || session->guest.gone) {
        leave_nothing(session);
    }
    session->report.ended_ns = fd_now_ns();
    return result;
}
