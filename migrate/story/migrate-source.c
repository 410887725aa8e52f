/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source's side of the story up to the moment when the guest stands
 * still, and after it has gone: see migrate-source.h. What lies between is in
 * migrate-handover.c.
 */
#include "migrate/story/migrate-source.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/link/migrate-lobby.h"
#include "migrate/link/migrate-outage.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/link/migrate-readmit.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-twice.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/takeover/migrate-archive.h"

#define HANG_UP_MS 2000
/* The destination waits 5 s for BYE before it dials again. */
#define LOOK_MS 500

bool
migrate_source_connect(MigrateSession *session, GError **error)
{
    /* Whoever connects meanwhile waits: nothing is read from anybody before
     * this process is confined. */
    if (!migrate_lobby_open(session, error)) {
        return false;
    }
    migrate_holder_choose(session);
    return migrate_lobby_open_door(session, error) &&
           migrate_lobby_wait_control(session, error);
}

/* Half the cores for each side when both ends are as small as here; more than
 * eight streams have never carried more. */
static unsigned
choose_streams(const MigrateSession *session, unsigned asked)
{
    if (session->options.streams > 0) {
        return (unsigned)session->options.streams;
    }
    if (asked > 0) {
        return asked;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)CLAMP(cores / 2, 1, 8);
}

static bool
is_set(const uint8_t uuid[16])
{
    static const uint8_t zeros[16];
    return memcmp(uuid, zeros, sizeof zeros) != 0;
}

static bool
check_identity(const MigrateSession *session, const WireLayout *peer,
               GError **error)
{
    WireLayout ours = {0};
    migrate_ram_to_layout(session->guest.ram, &session->guest.identity, 0,
                          &ours);
    bool same = memcmp(ours.uuid, peer->uuid, sizeof ours.uuid) == 0;
    bool ok = same || !is_set(ours.uuid) || !is_set(peer->uuid);
    wire_layout_clear(&ours);
    return ok || error_set(error, ERROR_STATE,
                           "the destination's QEMU has another UUID than this "
                           "guest: it was started for another VM ('%s')",
                           peer->name);
}

bool
migrate_source_agree(MigrateSession *session, GError **error)
{
    g_autoptr(GByteArray) payload = migrate_wait_expect(
        session, WIRE_FRAME_LAYOUT, session->patience.agree_ms, error);
    g_auto(WireLayout) peer = {0};
    if (!payload || !wire_layout_decode(payload, &peer, error) ||
        !migrate_ram_matches(session->guest.ram, &peer, error) ||
        !check_identity(session, &peer, error)) {
        return false;
    }
    session->report.started_ns = fd_now_ns();
    session->peer.n_streams =
        MIN(choose_streams(session, peer.streams), WIRE_MAX_STREAMS);
    g_autoptr(GByteArray) reply = g_byte_array_new();
    wire_accept_encode(session->peer.n_streams, reply);
    return migrate_mailbox_tell(session, WIRE_FRAME_ACCEPT, reply, error) &&
           migrate_lobby_wait_others(session, error);
}

bool
migrate_source_prepare(MigrateSession *session, GError **error)
{
    if (!migrate_outlet_tell_extents(session, false, error)) {
        return false;
    }
    g_autoptr(GByteArray) armed = migrate_wait_expect(
        session, WIRE_FRAME_ARMED, session->patience.arm_ms, error);
    if (!armed) {
        return false;
    }
    session->report.armed_ns = fd_now_ns();
    migrate_session_step(session, "armed");
    return true;
}

static bool
may_go(MigrateSession *session)
{
    return session->operator.go;
}

bool
migrate_source_wait(MigrateSession *session, GError **error)
{
    if (!session->options.wait) {
        return true;
    }
    uint64_t before = fd_now_ns();
    g_message("the destination is armed; send SIGUSR1 to process %d to switch "
              "over",
              (int)getpid());
    bool ok = migrate_wait(session, may_go, -1, "the word to go", error);
    session->report.waited_ns = fd_now_ns() - before;
    return ok;
}

/* After the threads have ended: the outage has counted what they did. */
static void
count(MigrateSession *session)
{
    MigrateReport *report = &session->report;
    report->pages.total = session->guest.ram->pages;
    report->pages.pushed = session->past.pushed_pages;
    report->pages.demand = session->past.answered_pages;
    report->pages.zero = report->pages.total -
                         MIN(report->pages.total, report->pages.pushed +
                                                      report->pages.demand);
    report->bytes_sent = session->past.bytes_sent +
                         (session->peer.device
                              ? wire_link_bytes_sent(session->peer.device)
                              : 0);
    report->bytes_received =
        session->past.bytes_received +
        (session->peer.device ? wire_link_bytes_received(session->peer.device)
                              : 0);
    report->device_bytes = session->past.device_bytes +
                           migrate_relay_bytes(session->relay);
    report->downtime_unknown = session->guest.ran && report->downtime_ms <= 0;
    /* What the one before sent after its last record counts as zero here. */
    report->pages.zero_unknown = report->takeovers > 0;
}

/* Whoever takes over after this has nothing to do: the destination needs
 * nobody any more, and may have hung up for good. */
static void
let_memory_go(MigrateSession *session)
{
    if (session->archive) {
        migrate_holder_release(session);
        g_clear_pointer(&session->archive, migrate_archive_remove);
    }
}

/* True if the destination has heard it: it then says DONE once more and hangs
 * up. To hang up first would not do: to close a connection on which something
 * unread lies resets it (RFC 9293, 3.6), and a reset takes the BYE with it that
 * the peer has not read yet. */
static bool
say_bye(MigrateSession *session)
{
    g_autoptr(GByteArray) bye = g_byte_array_new();
    uint64_t deadline = fd_deadline_ns(HANG_UP_MS);
    bool heard = false;
    wire_bye_encode((uint64_t)(session->report.downtime_ms * 1000), bye);
    if (!migrate_mailbox_tell(session, WIRE_FRAME_BYE, bye, NULL)) {
        return false;
    }
    while (!heard && !session->peer.control_lost && fd_now_ns() < deadline) {
        migrate_wait(session, migrate_mailbox_has_frame, HANG_UP_MS, "the end",
                     NULL);
        heard = migrate_readmit_heard(session, WIRE_FRAME_DONE);
    }
    return heard;
}

/* It did not hear us, so it dials again, says that it is complete, and has to
 * find somebody: else it would look for us for a minute, and tell its operator
 * that memory may be held here for ever. */
static bool
is_called_back(MigrateSession *session)
{
    migrate_outage_source(session);
    guint watch =
        migrate_wait_watch(session, wire_porch_fd(session->peer.porch));
    bool called = migrate_wait(session, migrate_lobby_has_caller, LOOK_MS,
                               "the destination", NULL);
    g_source_remove(watch);
    if (called) {
        migrate_lobby_admit(session);
    }
    if (!session->peer.control) {
        return false;
    }
    session->peer.control_lost = false;
    session->peer.watch =
        migrate_wait_watch(session, wire_link_fd(session->peer.control));
    unsigned flags;
    return migrate_readmit_hear_return(session, HANG_UP_MS, &flags, NULL);
}

bool
migrate_source_settle(MigrateSession *session, GError **error)
{
    session->operator.settled = true;
    let_memory_go(session);
    uint64_t deadline = fd_deadline_ns(session->patience.linger_ms);
    bool told = say_bye(session);
    while (!told && !session->operator.interrupted && fd_now_ns() < deadline) {
        told = is_called_back(session) && say_bye(session);
    }
    migrate_twice_watch(session); /* as long as somebody is here to see it */
    migrate_outage_source(session);
    session->peer.control_lost = false; /* it was ours to close */
    count(session);
    migrate_outlet_stop_threads(session);
    return !session->guest.ended || migrate_ending_conclude(session, error);
}
