/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's side of the story: see migrate-destination.h.
 */
#include "migrate/migrate-destination.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/migrate-arm.h"
#include "migrate/migrate-ending.h"
#include "migrate/migrate-final.h"
#include "migrate/migrate-inspect.h"
#include "migrate/migrate-recheck.h"
#include "migrate/migrate-rejoin.h"
#include "migrate/migrate-socket.h"
#include "migrate/migrate-token.h"
#include "migrate/migrate-trust.h"

#define AGREE_MS 30000
#define START_MS 30000
#define END_MS 1000
#define ASK_MS 4000
#define PROGRESS_MS 200

static bool
never(MigrateSession *session)
{
    return false;
}

/* A source that does not know the token is not the one that we were sent to:
 * it was started without --token-file, or is somebody else. */
static bool
check_token(const MigrateSession *session, const uint8_t *token,
            GError **error)
{
    return !session->options.token_path ||
           memcmp(session->session, token, WIRE_SESSION_BYTES) == 0 ||
           error_set(error, ERROR_PROTOCOL,
                     "the source at %s was not started with this token; give "
                     "--token-file to 'postlude send' as well",
                     session->options.address);
}

/* "Either may be started first": redial until the source listens. A refusal
 * in words (version, busy) is final; silence is not. */
bool
migrate_destination_connect(MigrateSession *session, GError **error)
{
    if (!migrate_trust_take_address(session, error)) {
        return false;
    }
    uint8_t token[WIRE_SESSION_BYTES] = {0};
    if (session->options.token_path &&
        !migrate_token_read(session->options.token_path, token, error)) {
        return false;
    }
    memcpy(session->session, token, sizeof token);
    uint64_t began_ns = fd_now_ns();
    uint64_t deadline =
        fd_deadline_ns(session->options.peer_timeout_s * 1000);
    for (int pause_ms = 50;; pause_ms = MIN(pause_ms * 2, 1000)) {
        g_autoptr(GError) why = NULL;
        session->control = wire_link_dial(session->address, WIRE_ROLE_CONTROL,
                                          0, session->session, &why);
        if (session->control) {
            session->watch_control = migrate_session_watch(
                session, wire_link_fd(session->control));
            return check_token(session, token, error);
        }
        if (!error_is(why, ERROR_PEER_GONE) || fd_now_ns() >= deadline) {
            g_propagate_prefixed_error(
                error, g_steal_pointer(&why),
                "no source ('postlude send --listen') reached in %.1f s: ",
                fd_seconds_since(began_ns));
            return false;
        }
        g_autoptr(GError) over = NULL;
        if (!migrate_session_wait(session, never, pause_ms, "the source",
                                  &over) &&
            !error_is(over, ERROR_RETRY)) {
            g_propagate_error(error, g_steal_pointer(&over));
            return false;
        }
    }
}

static WireLink *
dial(MigrateSession *session, WireRole role, unsigned index, GError **error)
{
    return wire_link_dial(session->address, role, index, session->ticket,
                          error);
}

bool
migrate_destination_dial_pages(MigrateSession *session, GError **error)
{
    session->urgent = dial(session, WIRE_ROLE_URGENT, 0, error);
    bool ok = session->urgent != NULL;
    for (unsigned i = 0; ok && i < session->n_streams; i++) {
        session->bulk[i] = dial(session, WIRE_ROLE_BULK, i, error);
        ok = session->bulk[i] != NULL;
    }
    return ok;
}

static bool
dial_others(MigrateSession *session, GError **error)
{
    memcpy(session->ticket, session->session, sizeof session->ticket);
    if (!session->options.follow) {
        session->device = dial(session, WIRE_ROLE_DEVICE, 0, error);
    }
    return (session->device || session->options.follow) &&
           migrate_destination_dial_pages(session, error);
}

bool
migrate_destination_agree(MigrateSession *session, GError **error)
{
    session->report.started_ns = fd_now_ns();
    g_auto(WireLayout) layout = {0};
    migrate_ram_to_layout(session->ram, &session->identity,
                          (unsigned)session->options.streams, &layout);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_layout_encode(&layout, payload);
    if (!migrate_session_tell(session, WIRE_FRAME_LAYOUT, payload, error)) {
        return false;
    }
    g_autoptr(GByteArray) accept = migrate_session_expect(
        session, WIRE_FRAME_ACCEPT, AGREE_MS, error);
    return accept &&
           wire_accept_decode(accept, &session->n_streams, error) &&
           dial_others(session, error);
}

bool
migrate_destination_take_extents(MigrateSession *session,
                                 const GByteArray *payload, bool final,
                                 bool *last, GError **error)
{
    WireExtents extents;
    if (!wire_extents_decode(payload, &extents, error)) {
        return false;
    }
    bool is_final = extents.flags & WIRE_EXTENTS_FINAL;
    if (extents.block >= session->ram->n_blocks || is_final != final ||
        extents.first_extent > session->ram->blocks[extents.block].extents ||
        extents.n_extents > session->ram->blocks[extents.block].extents -
                                extents.first_extent) {
        return error_set(error, ERROR_PROTOCOL,
                         "the source lists extents %u+%u of block %u, which "
                         "do not exist",
                         extents.first_extent, extents.n_extents,
                         extents.block);
    }
    uint8_t *wanted = session->destination.wanted[extents.block];
    for (uint32_t i = 0; i < extents.n_extents; i++) {
        wanted[extents.first_extent + i] =
            extents.bitmap[i / 8] >> (i % 8) & 1;
    }
    *last = extents.flags & WIRE_EXTENTS_LAST;
    return true;
}

bool
migrate_destination_hear_extents(MigrateSession *session, bool final,
                                 int timeout_ms, GError **error)
{
    for (bool last = false; !last;) {
        g_autoptr(GByteArray) payload = migrate_session_expect(
            session, WIRE_FRAME_EXTENTS, timeout_ms, error);
        if (!payload || !migrate_destination_take_extents(
                            session, payload, final, &last, error)) {
            return false;
        }
    }
    return true;
}

bool
migrate_destination_prepare(MigrateSession *session, GError **error)
{
    unsigned n = session->ram->n_blocks;
    session->destination.wanted = g_new0(uint8_t *, n);
    for (unsigned i = 0; i < n; i++) {
        session->destination.wanted[i] =
            g_malloc0(session->ram->blocks[i].extents);
    }
    if (!migrate_destination_hear_extents(session, false, AGREE_MS, error) ||
        !migrate_arm(session, error) ||
        !migrate_session_tell(session, WIRE_FRAME_ARMED, NULL, error)) {
        return false;
    }
    session->report.armed_ns = fd_now_ns();
    migrate_session_step(session, "armed");
    return true;
}

void
migrate_destination_unprepare(MigrateSession *session)
{
    migrate_disarm(session);
}

/* QEMU is told to stay paused when it has loaded everything (QMP "stop" while
 * inmigrate does just that: qmp_stop() in monitor/qmp-cmds.c clears
 * autostart), so that only our "cont" starts the guest here. */
static bool
open_qemu(MigrateSession *session, GError **error)
{
    if (!migrate_recheck_idle(session, error) ||
        !migrate_recheck_run_state(session, error) ||
        !migrate_recheck_guest(session, error)) {
        return false;
    }
    session->capability = migrate_capability_set(session->qmp, false, error);
    if (!session->capability || !qmp_qemu_stop(session->qmp, error)) {
        return false;
    }
    int ours = migrate_socket_give(session->qmp, error);
    if (ours < 0) {
        return false;
    }
    session->relay = migrate_relay_start(ours, session->device, error);
    return session->relay &&
           qmp_qemu_migrate_incoming(session->qmp, MIGRATE_SOCKET_URI, error);
}

void
migrate_destination_mark_holes(MigrateSession *session)
{
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        for (uint32_t e = 0; e < session->ram->blocks[i].extents; e++) {
            if (!session->destination.wanted[i][e]) {
                migrate_pages_hole(session->destination.pages, i, e,
                                   &session->destination.tally);
            }
        }
    }
}

void
migrate_destination_start_filling(MigrateSession *session)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < session->n_streams; i++) {
        session->destination.fill[i] =
            migrate_fill_start(session->bulk[i], session->destination.pages,
                               &session->alarm);
        ok = session->destination.fill[i] != NULL;
    }
}

static bool
runs_now(MigrateSession *session)
{
    return session->resumed;
}

/* "cont" got no answer: a QEMU that lives may carry it out yet, and then the
 * guest must not be started at the source. The time is for one that is just
 * ending: its descriptors are closed before its process counts as dead. */
static bool
may_still_start(const MigrateSession *session, const GError *why)
{
    bool refused = error_is(why, ERROR_FAILED) ||
                   error_is(why, ERROR_UNSUPPORTED);
    return !refused && !proc_life_has_ended(session->pidfd, END_MS);
}

/* From the first byte of "cont" to its answer, which a QEMU that waits for a
 * page owes for long, the guest runs here or does not; a successor has to ask,
 * and can only know that it must from the journal. */
static bool
note_starting(MigrateSession *session, GError **error)
{
    session->destination.starting = true;
    if (!migrate_session_record(session, error)) {
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
    migrate_session_take_in(session, NULL);
    return session->destination.ran;
}

static void
note_not_started(MigrateSession *session)
{
    session->destination.starting = false;
    migrate_session_record(session, NULL); /* who asks QEMU learns it, too */
}

/* One that panicked or was powered off between the source's last look and the
 * stop brings that along, and is not to be started. QEMU "inmigrate" is about to
 * be paused; one that does not answer is told to start, and may answer then. */
static bool
is_to_be_left(MigrateSession *session)
{
    static const char *const startable[] = {"paused", "inmigrate", "prelaunch",
                                            "running", NULL};
    g_autofree char *state = qmp_qemu_run_state(session->qmp, NULL);
    if (!state || g_strv_contains(startable, state)) {
        return false;
    }
    g_message("the guest is '%s', as it was at the source in the end, and is "
              "left so", state);
    return true;
}

/* A QEMU that does not answer is not waited for longer than the source waits for
 * us: it had the same RAM when it was asked before READY. */
bool
migrate_destination_look(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    qmp_client_set_timeout(session->qmp, ASK_MS);
    bool ok = migrate_recheck_blocks(session, &why);
    session->destination.left = ok && is_to_be_left(session);
    qmp_client_set_timeout(session->qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
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
    if (!session->destination.looked &&
        !migrate_destination_look(session, error)) {
        return false;
    }
    *start = session->destination.start_guest && !session->options.paused &&
             !session->destination.left;
    return true;
}

/* The point of no return. Until "cont" was carried out the guest did not run
 * here, and saying so lets the source start it again. */
bool
migrate_destination_start_guest(MigrateSession *session, GError **error)
{
    bool start;
    g_autoptr(GError) why = NULL;
    if (!look_before_start(session, &start, error)) {
        return false;
    }
    if (!start) {
        return migrate_session_commit(session, error);
    }
    if (!note_starting(session, error)) {
        return false;
    }
    if (!qmp_qemu_cont(session->qmp, &why)) {
        if (error_is(why, ERROR_VM_GONE) && did_start(session)) {
            migrate_session_commit_anyway(session);
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
    migrate_session_commit_anyway(session);
    if (!migrate_session_wait(session, runs_now, START_MS,
                              "the guest to start", &why) &&
        !session->qemu_gone) {
        g_warning("%s", why->message);
    }
    return true;
}

/* The source's operator may take any time to say go; the guest runs there. */
bool
migrate_destination_wait(MigrateSession *session, GError **error)
{
    uint64_t before = fd_now_ns();
    g_autoptr(GByteArray) go =
        migrate_session_expect(session, WIRE_FRAME_SWITCHOVER, -1, error);
    session->report.waited_ns = fd_now_ns() - before;
    return go != NULL;
}

bool
migrate_destination_switchover(MigrateSession *session, GError **error)
{
    if (!open_qemu(session, error)) {
        return false;
    }
    migrate_session_record_or_warn(session);
    if (!migrate_session_tell(session, WIRE_FRAME_READY, NULL, error)) {
        return false;
    }
    migrate_destination_start_filling(session);
    return migrate_final_hear(session, error) &&
           migrate_destination_start_guest(session, error);
}

void
migrate_destination_unswitch(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_clear_pointer(&session->relay, migrate_relay_stop);
    if (session->destination.pages) {
        migrate_pages_hurry(session->destination.pages, true);
    }
    for (unsigned i = 0; i < session->n_streams; i++) {
        if (session->destination.fill[i]) {
            migrate_fill_stop(
                g_steal_pointer(&session->destination.fill[i]),
                &session->destination.tally);
        }
    }
    if (session->resumed && !session->options.follow && session->qmp) {
        g_warning("somebody started the guest here; it is stopped again, "
                  "because it stays on the source: end this QEMU");
        qmp_qemu_stop(session->qmp, NULL);
    }
    /* First of all: QEMU's main loop may be waiting for a page that will not
     * come now, and would not hear what we tell its monitor. */
    migrate_disarm(session);
    if (!session->capability || session->qemu_gone) {
        return;
    }
    migrate_socket_forget(session->qmp);
    if (!migrate_capability_restore(g_steal_pointer(&session->capability),
                                    session->qmp, &why)) {
        g_message("%s", why->message);
    }
}

void
migrate_destination_restore(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->capability || session->qemu_gone) {
        return;
    }
    /* It may have been closed since. */
    if ((!session->qmp && !migrate_inspect_open_monitor(session, &why)) ||
        !migrate_capability_restore(g_steal_pointer(&session->capability),
                                    session->qmp, &why)) {
        g_warning("%s", why->message);
    }
}

static bool
all_here(MigrateSession *session)
{
    return migrate_pages_complete(session->destination.pages);
}

void
migrate_destination_tell_progress(MigrateSession *session)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_progress_encode(migrate_pages_present(session->destination.pages),
                         session->destination.tally.demand_pages +
                             migrate_fault_demanded(
                                 session->destination.fault),
                         payload);
    migrate_session_tell(session, WIRE_FRAME_PROGRESS, payload, NULL);
}

/* After the point of no return there is no giving up by ourselves: only when
 * QEMU is gone is there nobody left to wait for. */
static void
survive(MigrateSession *session, const GError *why)
{
    bool gone = error_is(why, ERROR_VM_GONE) || session->qemu_gone;
    if (!gone && migrate_rejoin(session, why, NULL)) {
        migrate_destination_mark_holes(session);
    } else {
        migrate_ending_note(session);
    }
}

/* False if the connections are lost, or QEMU is. */
static bool
wait_a_little(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (session->qemu_gone) {
        return error_set(error, ERROR_VM_GONE, "QEMU has ended");
    }
    if (!migrate_session_wait(session, all_here, PROGRESS_MS, "the last page",
                              &why) &&
        !error_is(why, ERROR_RETRY)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    migrate_destination_tell_progress(session);
    return all_here(session) || !migrate_rejoin_is_silent(session, error);
}

bool
migrate_destination_postcopy(MigrateSession *session, GError **error)
{
    if (session->ended) {
        return true; /* who took over found QEMU gone */
    }
    if (!migrate_session_tell(session, WIRE_FRAME_RUNNING, NULL, NULL)) {
        g_warning("the source could not be told that the guest runs here");
    }
    /* Not earlier: the guest would stand still meanwhile, and until it is done
     * the source answers for the holes. */
    migrate_destination_mark_holes(session);
    migrate_destination_restore(session);
    migrate_rejoin_begin(session);
    while (!all_here(session) && !session->ended) {
        g_autoptr(GError) why = NULL;
        if (!wait_a_little(session, &why)) {
            survive(session, why);
        }
    }
    if (!session->ended) {
        migrate_report_arrived(&session->report);
    }
    return true;
}
