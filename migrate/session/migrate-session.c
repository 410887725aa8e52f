/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One migration: see migrate-session.h.
 */
#include "migrate/session/migrate-session.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/signals.h"
#include "migrate/takeover/migrate-archive.h"

static const char *const stage_names[] = {
    [MIGRATE_INSPECT] = "inspect",   [MIGRATE_CONNECT] = "connect",
    [MIGRATE_AGREE] = "agree",       [MIGRATE_PREPARE] = "prepare",
    [MIGRATE_WAIT] = "wait",         [MIGRATE_SWITCHOVER] = "switchover",
    [MIGRATE_POSTCOPY] = "postcopy", [MIGRATE_SETTLE] = "settle",
    [MIGRATE_OVER] = "over",
};
G_STATIC_ASSERT(G_N_ELEMENTS(stage_names) == MIGRATE_OVER + 1);

const char *
migrate_stage_id_name(MigrateStageId stage)
{
    return stage <= MIGRATE_OVER ? stage_names[stage] : "unknown";
}

static gboolean
on_signal(gpointer data)
{
    MigrateSession *session = data;
    if (session->past_no_return &&
        !session->operator.sweeping && !session->operator.settled) {
        g_warning("not stopping: the guest runs on the destination, or may at any "
                  "moment, and needs this process until its last page has arrived");
    } else {
        session->operator.interrupted = true;
    }
    return G_SOURCE_CONTINUE;
}

/* Whoever started us wants to be outlived only when a guest needs it. */
static gboolean
on_parent(gint fd, GIOCondition condition, gpointer data)
{
    MigrateSession *session = data;
    char ignored[64];
    if (read(fd, ignored, sizeof ignored) > 0) {
        return G_SOURCE_CONTINUE;
    }
    session->operator.watch_parent = 0;
    if (!session->past_no_return) {
        session->operator.orphaned = session->operator.interrupted = true;
    }
    return G_SOURCE_REMOVE;
}

static gboolean
on_go(gpointer data)
{
    ((MigrateSession *)data)->operator.go = true;
    return G_SOURCE_CONTINUE;
}

MigrateSession *
migrate_session_new(const MigrateOptions *options)
{
    MigrateSession *session = g_new0(MigrateSession, 1);
    session->options = *options;
    migrate_patience_init(&session->patience, options->patience_percent);
    session->guest.pidfd = session->peer.listener = session->report_file = -1;
    session->source.keeper = -1;
    session->destination.uffd = session->destination.remote_uffd = -1;
    session->report.role =
        options->role == MIGRATE_SEND ? "send" : "receive";
    g_queue_init(&session->peer.frames);
    migrate_alarm_init(&session->alarm, NULL);
    session->operator.signals[0] = signals_watch(SIGINT, on_signal, session);
    session->operator.signals[1] = signals_watch(SIGTERM, on_signal, session);
    /* A terminal that goes away must not take the guest's memory with it. */
    session->operator.signals[2] = signals_watch(SIGHUP, on_signal, session);
    session->operator.signals[3] = signals_watch(SIGUSR1, on_go, session);
    session->guest.too_early = options->follow && options->role == MIGRATE_SEND;
    if (options->parent_fd > 0) {
        session->operator.watch_parent =
            g_unix_fd_add(options->parent_fd, G_IO_IN | G_IO_HUP | G_IO_ERR,
                          on_parent, session);
    }
    return session;
}

static void
free_frame(gpointer data)
{
    MigrateFrame *frame = data;
    g_byte_array_unref(frame->payload);
    g_free(frame);
}

static void
free_per_block(uint8_t **all, unsigned n)
{
    for (unsigned i = 0; all && i < n; i++) {
        g_free(all[i]);
    }
    g_free(all);
}

static void
close_links(MigrateSession *session)
{
    for (unsigned i = 0; i < WIRE_MAX_STREAMS; i++) {
        g_clear_pointer(&session->peer.bulk[i], wire_link_free);
    }
    g_clear_pointer(&session->peer.urgent, wire_link_free);
    g_clear_pointer(&session->peer.device, wire_link_free);
    g_clear_pointer(&session->peer.control, wire_link_free);
    g_clear_pointer(&session->peer.porch, wire_porch_close);
    if (session->peer.listener >= 0) {
        wire_address_unlink(session->peer.address);
    }
    fd_clear(&session->peer.listener);
}

void
migrate_session_step(MigrateSession *session, const char *word)
{
    if (session->operator.on_step) {
        session->operator.on_step(session, word,
                                  session->operator.on_step_data);
    }
}

void
migrate_session_stop_watching(guint *id)
{
    if (*id) {
        g_source_remove(*id);
        *id = 0;
    }
}

void
migrate_session_stop_filling(MigrateSession *session)
{
    if (session->destination.pages) {
        migrate_pages_hurry(session->destination.pages, true);
    }
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->destination.fill[i]) {
            migrate_fill_stop(g_steal_pointer(&session->destination.fill[i]),
                              &session->destination.tally);
        }
    }
}

/* Whoever gives up past the point of no return undoes nothing, and so comes
 * here with its threads still at work on what is about to be freed. */
static void
stop_threads(MigrateSession *session)
{
    migrate_session_stop_filling(session);
    g_clear_pointer(&session->source.serve, migrate_serve_stop);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        g_clear_pointer(&session->source.push[i], migrate_push_stop);
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
    migrate_fault_stop(g_steal_pointer(&session->destination.fault), NULL);
}

void
migrate_session_free(MigrateSession *session)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(session->operator.signals); i++) {
        migrate_session_stop_watching(&session->operator.signals[i]);
    }
    migrate_session_stop_watching(&session->guest.watch);
    migrate_session_stop_watching(&session->peer.watch);
    migrate_session_stop_watching(&session->operator.watch_parent);
    migrate_session_stop_watching(&session->recorder);
    stop_threads(session);
    close_links(session);
    unsigned n_blocks = session->guest.ram ? session->guest.ram->n_blocks : 0;
    free_per_block(session->destination.wanted, n_blocks);
    g_clear_pointer(&session->source.sent, migrate_sent_free);
    g_clear_pointer(&session->source.order, migrate_order_free);
    g_clear_pointer(&session->destination.huge, migrate_huge_stop);
    g_clear_pointer(&session->destination.pages, migrate_pages_free);
    g_clear_pointer(&session->destination.regions, uffd_regions_free);
    g_clear_pointer(&session->destination.target, collapse_target_close);
    g_clear_pointer(&session->destination.attendant, migrate_attendant_stop);
    fd_clear(&session->destination.uffd);
    g_clear_pointer(&session->guest.ram, migrate_ram_free);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    g_clear_pointer(&session->peer.address, wire_address_free);
    fd_clear(&session->guest.pidfd);
    fd_clear(&session->source.keeper);
    fd_clear(&session->report_file);
    g_queue_clear_full(&session->peer.frames, free_frame);
    g_free(session->guest.migration);
    g_free(session->peer.host);
    g_free(session->guest.ended_words);
    qmp_identity_clear(&session->guest.identity);
    migrate_report_clear(&session->report);
    migrate_alarm_clear(&session->alarm);
    g_clear_pointer(&session->archive, migrate_archive_close);
    g_clear_pointer(&session->guest.capability, migrate_capability_free);
    g_clear_pointer(&session->guest.blocks, g_array_unref);
    g_clear_pointer(&session->guest.claim, migrate_claim_drop);
    g_free(session);
}
