/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Following who drives QEMU: see migrate-follow.h. What there is to it is in
 * migrate-follow-source.c and migrate-follow-destination.c.
 */
#include "migrate/drive/migrate-follow.h"

#include "migrate/drive/migrate-arrival.h"
#include "migrate/drive/migrate-follow-destination.h"
#include "migrate/drive/migrate-follow-source.h"
#include "migrate/session/migrate-qemu.h"

/* RUNNING is one of the things that are heard while pages are sent. */
static bool
wait_for_nothing(MigrateSession *session, GError **error)
{
    return true;
}

/* The point of no return comes before the guest does. */
static bool
has_run(const MigrateSession *session)
{
    return session->destination.ran;
}

/* Its driver may, at any time. */
static bool
may_be_started(MigrateSession *session, bool known, GError **error)
{
    return true;
}

/* With --follow the driver starts the guest, and did so or did not while nobody
 * was here. */
static bool
look_whether_it_runs(MigrateSession *session, GError **error)
{
    session->destination.follow.run_heard = true;
    session->destination.follow.final_heard = true;
    session->guest.resumed = migrate_qemu_may_run(session);
    return true;
}

const MigrateDriver migrate_follow = {
    .open = migrate_follow_source_open,
    .freeze = migrate_follow_source_freeze,
    .let_go = migrate_follow_source_let_go,
    .carry = migrate_follow_source_carry,
    .is_too_late = migrate_follow_source_is_too_late,
    .commit = migrate_follow_source_commit,
    .source_postcopy = migrate_follow_source_postcopy,
    .source_undo = migrate_follow_source_undo,
    .forbid = migrate_follow_source_forbid,
    .was_passed_unseen = migrate_follow_source_was_passed_unseen,
    .wait_running = wait_for_nothing,
    .arrive = migrate_follow_destination_arrive,
    .destination_postcopy = migrate_follow_destination_postcopy,
    .destination_undo = migrate_arrival_undo,
    .has_run = has_run,
    .check_not_started = may_be_started,
    .go_on = look_whether_it_runs,
};
