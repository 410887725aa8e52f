/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding back to the source: see migrate-rejoin.h.
 *
 * What the guest may see meanwhile does not depend on any of this: a page is
 * mapped when its state says PRESENT, and the states live on. What is asked of
 * the source afterwards is what they do not call PRESENT.
 */
#include "migrate/link/migrate-rejoin.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-wait.h"

#define ANSWER_MS 10000
#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 2000
#define SAY_AGAIN_NS UINT64_C(30000000000)

/* 2 GiB of guest to a frame of 64 KiB. */
#define FRAME_PAGES (512u * 1024)

static uint64_t
rejoin_flow(const MigrateSession *session)
{
    uint64_t bytes = 0;
    if (session->peer.urgent) {
        bytes += wire_link_bytes_received(session->peer.urgent);
    }
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->peer.bulk[i]) {
            bytes += wire_link_bytes_received(session->peer.bulk[i]);
        }
    }
    return bytes;
}

void
migrate_rejoin_begin(MigrateSession *session)
{
    session->peer.linked = true;
    session->peer.control_lost = false;
    session->peer.heard_ns = session->destination.flow_ns = fd_now_ns();
    session->destination.flow_bytes = rejoin_flow(session);
}

static bool
has_been(uint64_t since_ns, const MigrateSession *session)
{
    return fd_now_ns() - since_ns >
           (uint64_t)session->options.link_timeout_s * 1000000000u;
}

/* The source pushes until all is sent, and answers every question: no byte at
 * all, or no answer, means that it does not get through; or that we do not
 * read, for want of memory, and then a new connection would not help. */
bool
migrate_rejoin_is_silent(MigrateSession *session, GError **error)
{
    if (!session->peer.linked) {
        return false;
    }
    const char *what = NULL;
    uint64_t since_ns = 0;
    uint64_t bytes = rejoin_flow(session);
    uint64_t asked_ns = migrate_fault_waits_since(session->destination.fault);
    if (bytes != session->destination.flow_bytes ||
        migrate_shortage_lasts(
            migrate_pages_shortage(session->destination.pages))) {
        session->destination.flow_bytes = bytes;
        session->destination.flow_ns = fd_now_ns();
    }
    if (has_been(session->peer.heard_ns, session)) {
        what = "the source sent nothing";
        since_ns = session->peer.heard_ns;
    } else if (has_been(session->destination.flow_ns, session)) {
        what = "pages are missing and none came";
        since_ns = session->destination.flow_ns;
    } else if (asked_ns && has_been(asked_ns, session)) {
        what = "the source did not answer for a page";
        since_ns = asked_ns;
    }
    return what && !error_set(error, ERROR_PEER_GONE, "%s for %.1f s", what,
                              fd_seconds_since(since_ns));
}

static bool
dial_control(MigrateSession *session, GError **error)
{
    memcpy(session->peer.ticket, session->peer.id, sizeof session->peer.ticket);
    session->peer.control =
        wire_link_dial(session->peer.address, WIRE_ROLE_CONTROL, 0,
                       session->peer.ticket, error);
    if (!session->peer.control) {
        return false;
    }
    session->peer.control_lost = false;
    session->peer.watch =
        migrate_wait_watch(session, wire_link_fd(session->peer.control));
    return true;
}

static bool
tell_resume(MigrateSession *session, unsigned flags, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_reconnect_encode(flags, payload);
    return migrate_mailbox_tell(session, WIRE_FRAME_RECONNECT, payload, error);
}

/* True if any page of the stretch is PRESENT, so that it is worth a frame. */
static bool
rejoin_collect(const PageState *states, uint32_t n, uint8_t *bitmap)
{
    bool any = false;
    memset(bitmap, 0, (n + 7) / 8);
    for (uint32_t i = 0; i < n; i++) {
        if (page_state_get(&states[i]) == PAGE_PRESENT) {
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
            any = true;
        }
    }
    return any;
}

static bool
tell_present_of(MigrateSession *session, unsigned block, GError **error)
{
    const PageState *states =
        migrate_pages_states(session->destination.pages, block);
    uint64_t pages = session->guest.ram->blocks[block].pages;
    g_autofree uint8_t *bitmap = g_malloc(FRAME_PAGES / 8);
    for (uint64_t first = 0; first < pages; first += FRAME_PAGES) {
        WirePresent present = {
            .block = block,
            .first_page = first,
            .n_pages = (uint32_t)MIN(pages - first, FRAME_PAGES),
            .bitmap = bitmap,
        };
        g_autoptr(GByteArray) payload = g_byte_array_new();
        if (!rejoin_collect(states + first, present.n_pages, bitmap)) {
            continue;
        }
        wire_present_encode(&present, payload);
        if (!migrate_mailbox_tell(session, WIRE_FRAME_PRESENT, payload,
                                  error)) {
            return false;
        }
    }
    return true;
}

static bool
tell_present(MigrateSession *session, GError **error)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        if (!tell_present_of(session, i, error)) {
            return false;
        }
    }
    WirePresent last = {.flags = WIRE_PRESENT_LAST};
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_present_encode(&last, payload);
    return migrate_mailbox_tell(session, WIRE_FRAME_PRESENT, payload, error);
}

static bool
hear_answer(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) accept =
        migrate_wait_expect(session, WIRE_FRAME_ACCEPT, ANSWER_MS, error);
    if (!accept ||
        !wire_accept_decode(accept, &session->peer.n_streams, error) ||
        !migrate_intake_hear_extents(session, true, ANSWER_MS, error)) {
        return false;
    }
    g_autoptr(GByteArray) run =
        migrate_wait_expect(session, WIRE_FRAME_RUN, ANSWER_MS, error);
    return run && wire_run_decode(run, &session->destination.start_guest,
                                  error);
}

/* While the fault thread stands still nobody asks for a page, so what was asked
 * of the lost connection can be asked again of the new one. */
static void
put_to_work(MigrateSession *session)
{
    migrate_fault_pause(session->destination.fault);
    migrate_pages_unask_all(session->destination.pages);
    migrate_fault_go_on(session->destination.fault, session->peer.urgent);
    migrate_intake_start_filling(session);
    migrate_rejoin_begin(session);
}

static bool
try_once(MigrateSession *session, GError **error)
{
    if (!dial_control(session, error) ||
        !tell_resume(session,
                     session->past_no_return ? WIRE_RECONNECT_STARTED : 0,
                     error) ||
        !tell_present(session, error) || !hear_answer(session, error) ||
        !migrate_intake_dial_pages(session, error)) {
        return false;
    }
    put_to_work(session);
    return true;
}

static bool
rejoin_never(MigrateSession *session)
{
    return false;
}

/* False when there is nobody left to do it for. */
static bool
pause_for(MigrateSession *session, int pause_ms, GError **error)
{
    GError *why = NULL;
    migrate_wait(session, rejoin_never, pause_ms, "the source", &why);
    bool over = session->guest.gone || error_is(why, ERROR_VM_GONE) ||
                error_is(why, ERROR_CANCELLED);
    if (over) {
        g_propagate_error(error, why);
    } else {
        g_clear_error(&why);
    }
    return !over;
}

static void
say_lost(MigrateSession *session, const GError *why)
{
    g_warning("%s; the guest waits where it needs a missing page: %"
              G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " pages are here; "
              "dialling the source, whose memory must stay as it is",
              why->message,
              migrate_pages_present(session->destination.pages),
              session->guest.ram->pages);
}

/* Whether RUN was said only the source knows, which goes on with the guest if it
 * was not. So one that somebody started here while it is being looked for is
 * stopped; RUN starts it again, with what it did in between. */
static void
stop_if_started(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    if (!session->guest.resumed || session->past_no_return ||
        session->options.follow || !session->guest.qmp) {
        return;
    }
    session->guest.resumed = false;
    if (qmp_qemu_stop(session->guest.qmp, &why)) {
        g_warning("somebody started the guest here, but whether the source "
                  "handed it over is not known yet; it was stopped again until "
                  "the source is found");
    } else {
        g_warning("somebody started the guest here, it may run at the source "
                  "as well, and it cannot be stopped: %s",
                  why->message);
    }
}

bool
migrate_rejoin(MigrateSession *session, const GError *why, GError **error)
{
    uint64_t deadline =
        session->past_no_return
            ? UINT64_MAX
            : fd_deadline_ns(session->options.peer_timeout_s * 1000);
    uint64_t began_ns = fd_now_ns(), said_ns = began_ns;
    say_lost(session, why);
    for (int pause_ms = FIRST_PAUSE_MS;;
         pause_ms = MIN(pause_ms * 2, LAST_PAUSE_MS)) {
        g_autoptr(GError) failed = NULL;
        migrate_outage_destination(session);
        stop_if_started(session);
        if (try_once(session, &failed)) {
            session->peer.rejoins++;
            g_message("back at the source");
            return true;
        }
        if (fd_now_ns() - said_ns > SAY_AGAIN_NS) {
            said_ns = fd_now_ns();
            say_lost(session, failed);
        }
        if (fd_now_ns() > deadline) {
            return error_set(error, ERROR_PEER_GONE,
                             "the source could not be reached again in %.1f s "
                             "(%s)",
                             fd_seconds_since(began_ns),
                             failed->message);
        }
        if (!pause_for(session, pause_ms, error)) {
            return false;
        }
    }
}

/* DONE, or ENDED, for who dials again. */
static bool
tell_last(MigrateSession *session, GError **error)
{
    if (!session->guest.ended) {
        return tell_resume(
            session, WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE, error);
    }
    g_autoptr(GByteArray) payload = migrate_ending_payload(session);
    return migrate_mailbox_tell(session, WIRE_FRAME_ENDED, payload, error);
}

static bool
try_done(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GByteArray) bye = NULL;
    uint64_t downtime_us;
    if (dial_control(session, &why) && tell_last(session, &why)) {
        bye = migrate_wait_expect(session, WIRE_FRAME_BYE, ANSWER_MS, &why);
    }
    if (!bye || !wire_bye_decode(bye, &downtime_us, &why)) {
        g_debug("%s", why->message);
        return false;
    }
    session->report.downtime_ms = (double)downtime_us / 1000.0;
    migrate_mailbox_tell(session, WIRE_FRAME_DONE, NULL, NULL); /* heard */
    return true;
}

bool
migrate_rejoin_say_done(MigrateSession *session, int timeout_ms)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (int pause_ms = FIRST_PAUSE_MS; fd_now_ns() < deadline;
         pause_ms = MIN(pause_ms * 2, LAST_PAUSE_MS)) {
        migrate_outage_destination(session);
        bool done = try_done(session);
        if (done || session->operator.interrupted) {
            return done;
        }
        migrate_wait(session, rejoin_never, pause_ms, "the source", NULL);
    }
    return false;
}
