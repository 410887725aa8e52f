/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hearing RUN, or that it may have been said: see migrate-final.h.
 *
 * The source says RUN when its QEMU is "completed", which it is when QEMU here
 * has answered, over the device connection, that it loaded everything. So a
 * connection that is lost before QEMU here has loaded means that the source
 * gives up and goes on with the guest; one that is lost later may have carried
 * RUN, and then nobody but us can start the guest: the source must be found.
 */
#include "migrate/drive/migrate-final.h"

#include "base/error.h"
#include "base/fd.h"
#include "migrate/drive/migrate-start.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/session/migrate-news.h"
#include "migrate/session/migrate-wait.h"

#define LOOK_MS 500

static bool
has_loaded(MigrateSession *session)
{
    return migrate_news_status_is(session, "completed");
}

static bool
has_decided(MigrateSession *session)
{
    return has_loaded(session) || migrate_news_status_is(session, "failed");
}

/* QEMU here has loaded, and the source is about to say RUN: what has to be asked
 * before "cont" is asked meanwhile, because then the guest waits for it. */
static bool
has_news(MigrateSession *session)
{
    return migrate_mailbox_has_frame(session) ||
           (has_loaded(session) && !session->destination.looked);
}

/* The next word may take its time until QEMU here has loaded; after that it is
 * due at once, and silence is a lost connection. */
static bool
wait_for_word(MigrateSession *session, GError **error)
{
    uint64_t limit_ns =
        (uint64_t)session->options.link_timeout_s * 1000000000u;
    uint64_t deadline = fd_deadline_ns(session->patience.switchover_ms),
             loaded_ns = 0;
    for (;;) {
        g_autoptr(GError) why = NULL;
        if (migrate_wait(session, has_news, LOOK_MS, "the source's last words",
                         &why)) {
            if (migrate_mailbox_has_frame(session)) {
                return true;
            }
            if (!migrate_start_look(session, error)) {
                return false;
            }
            continue;
        }
        /* A source that is lost may have said RUN, and cannot be told that the
         * guest stays there: it is found first (migrate_rejoin()). */
        if (session->guest.resumed && !error_is(why, ERROR_PEER_GONE)) {
            return error_set(error, ERROR_STATE,
                             "the guest was started here, not by postlude, "
                             "before the source had handed it over");
        }
        uint64_t now = fd_now_ns();
        if (!error_is(why, ERROR_RETRY) || now > deadline) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        if (has_loaded(session) && loaded_ns == 0) {
            loaded_ns = now;
        }
        if (loaded_ns && now - loaded_ns > limit_ns) {
            return error_set(error, ERROR_PEER_GONE,
                             "the source sent nothing for %.1f s after the "
                             "device state",
                             fd_seconds_since(loaded_ns));
        }
    }
}

static bool
hear_extents(MigrateSession *session, GError **error)
{
    for (bool last = false; !last;) {
        if (!wait_for_word(session, error)) {
            return false;
        }
        g_autoptr(GByteArray) payload =
            migrate_wait_expect(session, WIRE_FRAME_EXTENTS, 0, error);
        if (!payload || !migrate_intake_take_extents(
                            session, payload, true, &last, error)) {
            return false;
        }
    }
    return true;
}

static bool
hear_all(MigrateSession *session, GError **error)
{
    if (!hear_extents(session, error) || !wait_for_word(session, error)) {
        return false;
    }
    g_autoptr(GByteArray) stopped =
        migrate_wait_expect(session, WIRE_FRAME_STOPPED, 0, error);
    session->report.switched_ns = fd_now_ns();
    if (!stopped || !wait_for_word(session, error)) {
        return false;
    }
    g_autoptr(GByteArray) run =
        migrate_wait_expect(session, WIRE_FRAME_RUN, 0, error);
    return run &&
           wire_run_decode(run, &session->destination.start_guest, error);
}

/* With the tunnel gone QEMU either has all it needs, or fails; and what it has
 * not said by now does not reach the source any more. One that does neither
 * waits for a page with its answer maybe given: that counts as loaded. */
static bool
may_have_said_run(MigrateSession *session, const GError *why)
{
    uint64_t deadline = fd_deadline_ns(session->patience.decide_ms);
    if (session->peer.aborted || !error_is(why, ERROR_PEER_GONE)) {
        return false;
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
    /* Each lost connection has a complaint of its own, which ends a wait. */
    while (!has_decided(session) && !session->guest.gone &&
           fd_now_ns() < deadline) {
        migrate_wait(session, has_decided, LOOK_MS, "QEMU", NULL);
    }
    return !session->guest.gone && !migrate_news_status_is(session, "failed");
}

bool
migrate_final_hear(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (hear_all(session, &why)) {
        migrate_rejoin_begin(session);
        return true;
    }
    if (!may_have_said_run(session, why)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    session->report.switched_ns = fd_now_ns();
    session->destination.looked = false; /* it may take long */
    return migrate_rejoin(session, why, error);
}
