/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Losing a set of connections: see migrate-outage.h.
 */
#include "migrate/link/migrate-outage.h"

#include "base/error.h"
#include "migrate/session/migrate-mailbox.h"

static void
shut_down(MigrateSession *session)
{
    WireLink *const links[] = {session->peer.control, session->peer.urgent};
    for (unsigned i = 0; i < G_N_ELEMENTS(links); i++) {
        if (links[i]) {
            wire_link_shutdown(links[i]);
        }
    }
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->peer.bulk[i]) {
            wire_link_shutdown(session->peer.bulk[i]);
        }
    }
}

static void
close_link(MigrateSession *session, WireLink **link)
{
    if (*link) {
        session->past.bytes_sent += wire_link_bytes_sent(*link);
        session->past.bytes_received += wire_link_bytes_received(*link);
        wire_link_free(g_steal_pointer(link));
    }
}

static void
close_set(MigrateSession *session)
{
    if (session->peer.watch) {
        g_source_remove(session->peer.watch);
        session->peer.watch = 0;
    }
    close_link(session, &session->peer.urgent);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        close_link(session, &session->peer.bulk[i]);
    }
    g_clear_pointer(&session->peer.control, wire_link_free);
    session->peer.control_lost = true;
    session->peer.linked = false;
}

/* What the peer said on a connection that is gone answers nothing any more,
 * and the complaints of threads that were just ended are about it. That QEMU
 * is gone stays true. */
static void
forget_words(MigrateSession *session)
{
    MigrateFrame frame;
    while (migrate_mailbox_pop(session, &frame)) {
        g_byte_array_unref(frame.payload);
    }
    g_autoptr(GError) gone = NULL;
    for (bool more = true; more;) {
        g_autoptr(GError) why = NULL;
        more = !migrate_alarm_take(&session->alarm, &why);
        if (error_is(why, ERROR_VM_GONE) && !gone) {
            gone = g_steal_pointer(&why);
        }
    }
    if (gone) {
        migrate_alarm_raise(&session->alarm, g_steal_pointer(&gone));
    }
}

void
migrate_outage_source(MigrateSession *session)
{
    shut_down(session);
    if (session->source.serve) {
        session->past.answered_pages +=
            migrate_serve_answered(session->source.serve);
        g_clear_pointer(&session->source.serve, migrate_serve_stop);
    }
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->source.push[i]) {
            session->past.pushed_pages +=
                migrate_push_sent(session->source.push[i]);
            g_clear_pointer(&session->source.push[i], migrate_push_stop);
        }
    }
    close_set(session);
    forget_words(session);
}

static void
unlink_fault(MigrateSession *session)
{
    if (session->destination.fault) {
        migrate_fault_pause(session->destination.fault);
        migrate_fault_go_on(session->destination.fault, NULL);
    }
}

void
migrate_outage_destination(MigrateSession *session)
{
    shut_down(session);
    migrate_session_stop_filling(session);
    unlink_fault(session);
    if (session->destination.pages) {
        migrate_pages_hurry(session->destination.pages, false);
    }
    close_set(session);
    forget_words(session);
}
