/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hearing QEMU: see migrate-news.h.
 */
#include "migrate/session/migrate-news.h"

#include "base/error.h"
#include "base/proc-life.h"

#define ENDING_MS 1000

bool
migrate_news_status_is(const MigrateSession *session, const char *status)
{
    return g_strcmp0(session->guest.migration, status) == 0;
}

bool
migrate_news_has_failed(const MigrateSession *session)
{
    return migrate_news_status_is(session, "failed") ||
           migrate_news_status_is(session, "cancelled");
}

bool
migrate_news_has_ended(MigrateSession *session)
{
    return migrate_news_status_is(session, "completed") ||
           migrate_news_has_failed(session);
}

/* Until QEMU's migration begins (its first MIGRATION event), whoever stops or
 * starts the guest means it to be so. Afterwards, up to the switchover, who
 * starts it still does; who stops it may be the migration, and is asked for
 * (migrate-handover.c). */
static void
note_run_state(MigrateSession *session, bool runs)
{
    static const char *const under_way[] = {"setup", "active", NULL};
    const char *status = session->guest.migration;
    bool early = status && g_strv_contains(under_way, status);
    session->guest.resumed = runs;
    if (session->options.role == MIGRATE_SEND &&
        (!status || (early && runs))) {
        session->guest.ran = runs;
    }
    session->source.stop_heard = early && !runs;
    /* That it was stopped once more does not undo what it did. */
    session->source.ran_again |=
        runs && !early && (status || session->past_no_return);
}

/* An ordinary end says no STOP after its SHUTDOWN; a pause does. */
static void
say_that_qemu_stays(const MigrateSession *session)
{
    if (session->guest.shutdown.code &&
        session->options.role == MIGRATE_RECEIVE && session->past_no_return) {
        g_message("the guest has stopped for good (%s), but QEMU stays for "
                  "now: the rest of its memory is still fetched, because it "
                  "may be reset and go on",
                  session->guest.shutdown.words);
    }
}

static void
note_event(MigrateSession *session, const QmpEvent *event)
{
    migrate_shutdown_hear(&session->guest.shutdown, event);
    g_debug("QEMU: %s %s", event->name, event->status ? event->status : "");
    if (g_str_equal(event->name, "MIGRATION")) {
        g_free(session->guest.migration);
        session->guest.migration = g_strdup(event->status);
        /* Its driver begins anew, after one that failed. */
        if (session->options.follow && !session->past_no_return &&
            g_strcmp0(event->status, "setup") == 0) {
            session->source.ran_again = false;
        }
    } else if (g_str_equal(event->name, "STOP")) {
        session->guest.stopped_us = event->time_us;
        note_run_state(session, false);
        say_that_qemu_stays(session);
    } else if (g_str_equal(event->name, "RESUME")) {
        session->guest.crashed = false; /* it was reset since, or is forgiven */
        note_run_state(session, true);
        session->destination.ran = true;
    } else if (g_str_equal(event->name, "GUEST_PANICKED")) {
        session->guest.crashed = true;
    } else if (g_str_equal(event->name, "DEVICE_DELETED")) {
        session->guest.unplugged = true;
    }
}

static bool
is_under_way(MigrateSession *session)
{
    return session->guest.migration &&
           !migrate_news_status_is(session, "none") &&
           !migrate_news_has_ended(session);
}

/* One that took over from another may have no monitor yet. */
static bool
look_at_process(MigrateSession *session, GError **error)
{
    if (!proc_life_has_ended(session->guest.pidfd, 0)) {
        return true;
    }
    session->guest.gone = true;
    return error_set(error, ERROR_VM_GONE, "QEMU %d has ended",
                     (int)session->guest.pid);
}

/* The guest runs here, and only its memory is missing: that takes no monitor,
 * and the process tells whether QEMU lives. One that is ending has given up its
 * memory before it closes its sockets (do_exit() in kernel/exit.c), so there is
 * not much to wait for. */
static bool
is_needed_without_monitor(const MigrateSession *session)
{
    return session->options.role == MIGRATE_RECEIVE &&
           session->past_no_return && session->guest.pidfd >= 0 &&
           !proc_life_has_ended(session->guest.pidfd, ENDING_MS);
}

static void
do_without_monitor(MigrateSession *session, const GError *why)
{
    g_warning("QEMU's monitor is of no use any more (%s); going on without it "
              "for as long as QEMU %d lives",
              why->message, (int)session->guest.pid);
    migrate_session_stop_watching(&session->guest.watch);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    /* With --follow it was to say so; who does not answer counts as running. */
    session->guest.resumed = session->destination.ran = true;
}

bool
migrate_news_take_in(MigrateSession *session, GError **error)
{
    if (session->guest.gone) {
        return true;
    }
    if (!session->guest.qmp) {
        return look_at_process(session, error);
    }
    g_autoptr(GError) why = NULL;
    bool alive = qmp_client_pump(session->guest.qmp, &why);
    QmpEvent *event;
    while ((event = qmp_client_pop_event(session->guest.qmp))) {
        note_event(session, event);
        qmp_event_free(event);
    }
    if (!alive && is_needed_without_monitor(session)) {
        do_without_monitor(session, why);
        return true;
    }
    if (!alive) {
        session->guest.gone = true;
        migrate_session_stop_watching(&session->guest.watch);
        return error_set(error, ERROR_VM_GONE,
                         "QEMU %d has ended or closed its monitor (%s); its "
                         "own log says why",
                         (int)session->guest.pid, why->message);
    }
    return !(session->guest.too_early && is_under_way(session)) ||
           error_set(error, ERROR_STATE,
                     "QEMU was told to migrate while no destination is armed: "
                     "that would move the guest the ordinary way, or lose it; "
                     "with libvirt, install Postlude's hook on the "
                     "destination");
}
