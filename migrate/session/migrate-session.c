/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One migration, and where its main thread waits: see migrate-session.h.
 */
#include "migrate/session/migrate-session.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/signals.h"
#include "migrate/takeover/migrate-archive.h"

#define ENDING_MS 1000
#define LACK_MS 1000
#define FRAMES_AT_A_TIME 64u

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
    if (session->past_no_return && !session->sweeping && !session->settled) {
        g_warning("not stopping: the guest runs on the destination, or may at any "
                  "moment, and needs this process until its last page has arrived");
    } else {
        session->interrupted = true;
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
    session->watch_parent = 0;
    if (!session->past_no_return) {
        session->orphaned = session->interrupted = true;
    }
    return G_SOURCE_REMOVE;
}

static gboolean
on_go(gpointer data)
{
    ((MigrateSession *)data)->go = true;
    return G_SOURCE_CONTINUE;
}

MigrateSession *
migrate_session_new(const MigrateOptions *options)
{
    MigrateSession *session = g_new0(MigrateSession, 1);
    session->options = *options;
    session->pidfd = session->listener = session->report_file = -1;
    session->source.keeper = -1;
    session->destination.uffd = session->destination.remote_uffd = -1;
    session->report.role =
        options->role == MIGRATE_SEND ? "send" : "receive";
    g_queue_init(&session->frames);
    migrate_alarm_init(&session->alarm, NULL);
    session->sources[0] = signals_watch(SIGINT, on_signal, session);
    session->sources[1] = signals_watch(SIGTERM, on_signal, session);
    /* A terminal that goes away must not take the guest's memory with it. */
    session->sources[2] = signals_watch(SIGHUP, on_signal, session);
    session->sources[3] = signals_watch(SIGUSR1, on_go, session);
    session->too_early = options->follow && options->role == MIGRATE_SEND;
    if (options->parent_fd > 0) {
        session->watch_parent =
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
        g_clear_pointer(&session->bulk[i], wire_link_free);
    }
    g_clear_pointer(&session->urgent, wire_link_free);
    g_clear_pointer(&session->device, wire_link_free);
    g_clear_pointer(&session->control, wire_link_free);
    g_clear_pointer(&session->porch, wire_porch_close);
    if (session->listener >= 0) {
        wire_address_unlink(session->address);
    }
    fd_clear(&session->listener);
}

void
migrate_session_step(MigrateSession *session, const char *word)
{
    if (session->on_step) {
        session->on_step(session, word, session->on_step_data);
    }
}

static gboolean
wake(gint fd, GIOCondition condition, gpointer unused)
{
    return G_SOURCE_CONTINUE; /* the wait looks for itself what there is */
}

guint
migrate_session_watch(MigrateSession *session, int fd)
{
    return g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, wake, session);
}

/* A descriptor at its end would wake us for ever. */
static void
stop_watching(guint *id)
{
    if (*id) {
        g_source_remove(*id);
        *id = 0;
    }
}

/* Whoever gives up past the point of no return undoes nothing, and so comes
 * here with its threads still at work on what is about to be freed. */
static void
stop_threads(MigrateSession *session)
{
    if (session->destination.pages) {
        /* One that waits for memory would wait for ever: QEMU has ended. */
        migrate_pages_hurry(session->destination.pages, true);
    }
    g_clear_pointer(&session->source.serve, migrate_serve_stop);
    for (unsigned i = 0; i < session->n_streams; i++) {
        g_clear_pointer(&session->source.push[i], migrate_push_stop);
        if (session->destination.fill[i]) {
            migrate_fill_stop(
                g_steal_pointer(&session->destination.fill[i]), NULL);
        }
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
    migrate_fault_stop(g_steal_pointer(&session->destination.fault), NULL);
}

void
migrate_session_free(MigrateSession *session)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(session->sources); i++) {
        stop_watching(&session->sources[i]);
    }
    stop_watching(&session->watch_qmp);
    stop_watching(&session->watch_control);
    stop_watching(&session->watch_parent);
    stop_watching(&session->recorder);
    stop_threads(session);
    close_links(session);
    unsigned n_blocks = session->ram ? session->ram->n_blocks : 0;
    free_per_block(session->destination.wanted, n_blocks);
    g_clear_pointer(&session->source.sent, migrate_sent_free);
    g_clear_pointer(&session->source.order, migrate_order_free);
    g_clear_pointer(&session->destination.huge, migrate_huge_stop);
    g_clear_pointer(&session->destination.pages, migrate_pages_free);
    g_clear_pointer(&session->destination.regions, uffd_regions_free);
    g_clear_pointer(&session->destination.target, collapse_target_close);
    g_clear_pointer(&session->destination.attendant, migrate_attendant_stop);
    fd_clear(&session->destination.uffd);
    g_clear_pointer(&session->ram, migrate_ram_free);
    g_clear_pointer(&session->qmp, qmp_client_close);
    g_clear_pointer(&session->address, wire_address_free);
    fd_clear(&session->pidfd);
    fd_clear(&session->source.keeper);
    fd_clear(&session->report_file);
    g_queue_clear_full(&session->frames, free_frame);
    g_free(session->migration_status);
    g_free(session->peer_host);
    g_free(session->ended_words);
    qmp_identity_clear(&session->identity);
    migrate_report_clear(&session->report);
    migrate_alarm_clear(&session->alarm);
    g_clear_pointer(&session->archive, migrate_archive_close);
    g_clear_pointer(&session->capability, migrate_capability_free);
    g_clear_pointer(&session->blocks, g_array_unref);
    g_clear_pointer(&session->claim, migrate_claim_drop);
    g_free(session);
}

/* Until QEMU's migration begins (its first MIGRATION event), whoever stops or
 * starts the guest means it to be so. Afterwards, up to the switchover, who
 * starts it still does; who stops it may be the migration, and is asked for
 * (migrate-handover.c). */
static void
note_run_state(MigrateSession *session, bool runs)
{
    static const char *const under_way[] = {"setup", "active", NULL};
    const char *status = session->migration_status;
    bool early = status && g_strv_contains(under_way, status);
    session->resumed = runs;
    if (session->options.role == MIGRATE_SEND &&
        (!status || (early && runs))) {
        session->guest_ran = runs;
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
    if (session->shutdown.code && session->options.role == MIGRATE_RECEIVE &&
        session->past_no_return) {
        g_message("the guest has stopped for good (%s), but QEMU stays for "
                  "now: the rest of its memory is still fetched, because it "
                  "may be reset and go on",
                  session->shutdown.words);
    }
}

static void
note_event(MigrateSession *session, const QmpEvent *event)
{
    migrate_shutdown_hear(&session->shutdown, event);
    g_debug("QEMU: %s %s", event->name, event->status ? event->status : "");
    if (g_str_equal(event->name, "MIGRATION")) {
        g_free(session->migration_status);
        session->migration_status = g_strdup(event->status);
    } else if (g_str_equal(event->name, "STOP")) {
        session->stopped_us = event->time_us;
        note_run_state(session, false);
        say_that_qemu_stays(session);
    } else if (g_str_equal(event->name, "RESUME")) {
        session->crashed = false; /* it was reset since, or is forgiven */
        note_run_state(session, true);
        session->destination.ran = true;
    } else if (g_str_equal(event->name, "GUEST_PANICKED")) {
        session->crashed = true;
    } else if (g_str_equal(event->name, "DEVICE_DELETED")) {
        session->unplugged = true;
    }
}

static bool
has_begun(const MigrateSession *session)
{
    static const char *const idle[] = {"none", "failed", "cancelled",
                                       "completed", NULL};
    return session->migration_status &&
           !g_strv_contains(idle, session->migration_status);
}

/* One that took over from another may have no monitor yet. */
static bool
look_at_process(MigrateSession *session, GError **error)
{
    if (!proc_life_has_ended(session->pidfd, 0)) {
        return true;
    }
    session->qemu_gone = true;
    return error_set(error, ERROR_VM_GONE, "QEMU %d has ended",
                     (int)session->pid);
}

/* The guest runs here, and only its memory is missing: that takes no monitor,
 * and the process tells whether QEMU lives. One that is ending has given up its
 * memory before it closes its sockets (do_exit() in kernel/exit.c), so there is
 * not much to wait for. */
static bool
is_needed_without_monitor(const MigrateSession *session)
{
    return session->options.role == MIGRATE_RECEIVE &&
           session->past_no_return && session->pidfd >= 0 &&
           !proc_life_has_ended(session->pidfd, ENDING_MS);
}

static void
do_without_monitor(MigrateSession *session, const GError *why)
{
    g_warning("QEMU's monitor is of no use any more (%s); going on without it "
              "for as long as QEMU %d lives",
              why->message, (int)session->pid);
    stop_watching(&session->watch_qmp);
    g_clear_pointer(&session->qmp, qmp_client_close);
    /* With --follow it was to say so; who does not answer counts as running. */
    session->resumed = session->destination.ran = true;
}

static bool
take_in_qemu(MigrateSession *session, GError **error)
{
    if (session->qemu_gone) {
        return true;
    }
    if (!session->qmp) {
        return look_at_process(session, error);
    }
    g_autoptr(GError) why = NULL;
    bool alive = qmp_client_pump(session->qmp, &why);
    QmpEvent *event;
    while ((event = qmp_client_pop_event(session->qmp))) {
        note_event(session, event);
        qmp_event_free(event);
    }
    if (!alive && is_needed_without_monitor(session)) {
        do_without_monitor(session, why);
        return true;
    }
    if (!alive) {
        session->qemu_gone = true;
        stop_watching(&session->watch_qmp);
        return error_set(error, ERROR_VM_GONE,
                         "QEMU %d has ended or closed its monitor (%s); its "
                         "own log says why",
                         (int)session->pid, why->message);
    }
    return !(session->too_early && has_begun(session)) ||
           error_set(error, ERROR_STATE,
                     "QEMU was told to migrate while no destination is armed: "
                     "that would move the guest the ordinary way, or lose it; "
                     "with libvirt, install Postlude's hook on the "
                     "destination");
}

/* It may be heard as soon as RUN was: before that the source has every right
 * to run the guest. */
static bool
note_source_runs(MigrateSession *session, GError **error)
{
    bool run_heard = session->options.follow
                         ? session->destination.follow.run_heard
                         : session->linked || session->past_no_return;
    if (session->options.role != MIGRATE_RECEIVE || !run_heard) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer said %s before RUN",
                         wire_frame_name(WIRE_FRAME_SOURCE_RUNS));
    }
    if (!session->report.source_ran) {
        g_warning("%s", MIGRATE_REPORT_RAN_TWICE);
    }
    session->report.source_ran = true;
    return true;
}

/* The guest is the source's until RUN: it cannot have ended over there. */
static bool
check_ended(const MigrateSession *session, GError **error)
{
    return (session->options.role == MIGRATE_SEND &&
            session->past_no_return) ||
           error_set(error, ERROR_PROTOCOL, "the peer said %s before RUN",
                     wire_frame_name(WIRE_FRAME_ENDED));
}

static bool
on_frame(MigrateSession *session, unsigned type, GByteArray *payload,
         GError **error)
{
    g_debug("peer: %s", wire_frame_name(type));
    session->heard_ns = fd_now_ns();
    if (type == WIRE_FRAME_ABORT) {
        g_autofree char *reason = wire_abort_decode(payload);
        session->peer_aborted = true;
        return error_set(error, ERROR_PEER_GONE, "the %s stopped: %s",
                         session->options.role == MIGRATE_SEND ? "destination"
                                                               : "source",
                         reason);
    }
    if (type == WIRE_FRAME_ALIVE) {
        return true;
    }
    if (type == WIRE_FRAME_SOURCE_RUNS) {
        return note_source_runs(session, error);
    }
    if (type == WIRE_FRAME_PROGRESS) {
        session->owes_alive = true;
        return wire_progress_decode(payload, &session->source.present_pages,
                                    &session->source.demand_pages, error);
    }
    if (type == WIRE_FRAME_ENDED && !check_ended(session, error)) {
        return false;
    }
    MigrateFrame *frame = g_new0(MigrateFrame, 1);
    frame->type = type;
    frame->payload = g_byte_array_ref(payload);
    g_queue_push_tail(&session->frames, frame);
    return true;
}

static bool
is_readable(WireLink *link)
{
    struct pollfd p = {.fd = wire_link_fd(link), .events = POLLIN};
    return wire_link_has_pending(link) || poll(&p, 1, 0) > 0;
}

static bool
has_more(MigrateSession *session)
{
    return session->control && !session->control_lost &&
           g_queue_is_empty(&session->frames) &&
           is_readable(session->control);
}

/* One expected frame at a time: the peer may say its last word and leave, and
 * the word must be heard before its leaving is. And not all there is: a peer
 * that talks without end must not keep us from signals and from the clock. */
static bool
take_in_frames(MigrateSession *session, GError **error)
{
    for (unsigned n = 0; n < FRAMES_AT_A_TIME && has_more(session); n++) {
        unsigned type;
        g_autoptr(GByteArray) payload = NULL;
        if (!wire_link_receive_frame(session->control, &type, &payload,
                                     error)) {
            session->control_lost = true;
            stop_watching(&session->watch_control);
            g_prefix_error(error, "the control connection is lost: ");
            return false;
        }
        if (!on_frame(session, type, payload, error)) {
            return false;
        }
    }
    return true;
}

/* One ALIVE answers for all PROGRESS that was taken in. */
static bool
take_in_peer(MigrateSession *session, GError **error)
{
    bool ok = take_in_frames(session, error);
    bool owes = session->owes_alive && !session->control_lost;
    session->owes_alive = false;
    session->more = ok && has_more(session);
    return ok && (!owes || migrate_session_tell(session, WIRE_FRAME_ALIVE,
                                                NULL, error));
}

bool
migrate_session_take_in(MigrateSession *session, GError **error)
{
    if (session->interrupted) {
        return error_set(error, ERROR_CANCELLED,
                         session->orphaned
                             ? "stopped by the process that started it, "
                               "or because that has ended"
                             : "stopped by a signal");
    }
    return take_in_qemu(session, error) && take_in_peer(session, error) &&
           migrate_alarm_take(&session->alarm, error);
}

void
migrate_session_take_in_qemu(MigrateSession *session)
{
    take_in_qemu(session, NULL);
}

static gboolean
on_timeout(gpointer unused)
{
    return G_SOURCE_REMOVE; /* the iteration ends; the clock is read there */
}

bool
migrate_session_wait(MigrateSession *session, bool (*done)(MigrateSession *),
                     int timeout_ms, const char *what, GError **error)
{
    uint64_t began_ns = fd_now_ns();
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        if (!migrate_session_take_in(session, error)) {
            g_prefix_error(error, "while waiting for %s: ", what);
            return false;
        }
        if (done(session)) {
            return true;
        }
        uint64_t now = fd_now_ns();
        if (deadline && now >= deadline) {
            return error_set(error, ERROR_RETRY,
                             "gave up waiting for %s after %.1f s", what,
                             fd_seconds_since(began_ns));
        }
        uint64_t left_ms = deadline ? (deadline - now) / 1000000 + 1 : 1000;
        guint timer = g_timeout_add((guint)MIN(left_ms, 1000), on_timeout,
                                    NULL);
        /* What TLS has in its buffers is not seen by poll(). */
        g_main_context_iteration(NULL, !session->more);
        GSource *source = g_main_context_find_source_by_id(NULL, timer);
        if (source) {
            g_source_destroy(source);
        }
    }
}

static bool
never(MigrateSession *session)
{
    return false;
}

bool
migrate_session_outlast(MigrateSession *session, GError **why, GError **error)
{
    g_autoptr(GError) lack = g_steal_pointer(why);
    g_autoptr(GError) over = NULL;
    if (!session->past_no_return) {
        g_propagate_error(error, g_steal_pointer(&lack));
        return false;
    }
    if (!session->lacks) {
        session->lacks = true;
        g_warning("%s; trying until there is: the guest waits for its missing "
                  "memory meanwhile",
                  lack->message);
    }
    if (!migrate_session_wait(session, never, LACK_MS, "it", &over) &&
        error_is(over, ERROR_VM_GONE)) {
        g_propagate_error(error, g_steal_pointer(&over));
        return false;
    }
    return true;
}

bool
migrate_session_pop_frame(MigrateSession *session, MigrateFrame *frame)
{
    MigrateFrame *oldest = g_queue_pop_head(&session->frames);
    if (!oldest) {
        return false;
    }
    *frame = *oldest;
    g_free(oldest);
    return true;
}

bool
migrate_session_has_frame(MigrateSession *session)
{
    return !g_queue_is_empty(&session->frames);
}

GByteArray *
migrate_session_expect(MigrateSession *session, unsigned type, int timeout_ms,
                       GError **error)
{
    g_autofree char *what =
        g_strdup_printf("the peer's %s", wire_frame_name(type));
    MigrateFrame frame;
    if (!migrate_session_wait(session, migrate_session_has_frame, timeout_ms,
                              what, error) ||
        !migrate_session_pop_frame(session, &frame)) {
        return NULL;
    }
    if (frame.type != type) {
        g_byte_array_unref(frame.payload);
        error_set(error, ERROR_PROTOCOL, "the peer said %s instead of %s",
                  wire_frame_name(frame.type), wire_frame_name(type));
        return NULL;
    }
    return frame.payload;
}

bool
migrate_session_tell(MigrateSession *session, unsigned type,
                     const GByteArray *payload, GError **error)
{
    if (!session->control || session->control_lost) {
        return error_set(error, ERROR_PEER_GONE,
                         "there is no connection to the peer");
    }
    return wire_link_send_frame(session->control, type, payload, error);
}

void
migrate_session_tell_abort(MigrateSession *session, const char *reason)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_abort_encode(reason, payload);
    migrate_session_tell(session, WIRE_FRAME_ABORT, payload, NULL);
}
