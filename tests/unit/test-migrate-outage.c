/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A set of connections is lost: all of them are closed, their threads ended and
 * counted, what came over them is forgotten; what is known of QEMU is not. The
 * other side by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/link/migrate-outage.h"

#include "base/error.h"
#include "migrate/link/migrate-intake.h"
#include "migrate/link/migrate-outlet.h"
#include "tests/unit/link-scene.h"

static void
lose(LinkScene *s)
{
    if (s->session->options.role == MIGRATE_SEND) {
        migrate_outage_source(s->session);
    } else {
        migrate_outage_destination(s->session);
    }
}

static void
start_threads(LinkScene *s)
{
    g_autoptr(GError) error = NULL;
    if (s->session->options.role == MIGRATE_SEND) {
        g_assert_true(migrate_outlet_start_serving(s->session, &error));
        g_assert_true(migrate_outlet_tell_extents(s->session, true, &error));
        migrate_outlet_start_pushing(s->session);
    } else {
        migrate_intake_start_filling(s->session);
    }
}

static bool
has_threads(const MigrateSession *session)
{
    return session->source.serve || session->source.push[0] ||
           session->destination.fill[0];
}

static void
assert_closed(LinkScene *s)
{
    g_assert_null(s->session->peer.control);
    g_assert_null(s->session->peer.urgent);
    g_assert_null(s->session->peer.bulk[0]);
    g_assert_false(has_threads(s->session));
    g_assert_true(s->session->peer.control_lost);
    g_assert_false(s->session->peer.linked);
    g_assert_cmpuint(s->session->peer.watch, ==, 0);
    g_assert_false(migrate_mailbox_has_frame(s->session));
}

static void
lost(gconstpointer data)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, (MigrateRole)GPOINTER_TO_INT(data), NULL);
    s.session->past_no_return = s.session->peer.linked = true;
    start_threads(&s);
    link_scene_say(s.control, WIRE_FRAME_DONE, NULL);
    g_assert_true(migrate_wait(s.session, migrate_mailbox_has_frame, 10000,
                               "a word", &error));
    lose(&s);
    assert_closed(&s);
    g_assert_nonnull(s.session->peer.device); /* which is QEMU's */
    wire_peer_drain(s.control);
    wire_peer_drain(s.urgent);
    wire_peer_drain(s.bulk);
    lose(&s); /* nothing happens to those that are closed */
    assert_closed(&s);
    link_scene_clear(&s);
}

/* Each byte and page is counted once, whichever set it went over. */
static void
counted(void)
{
    LinkScene s;
    WireExtentBytes bytes;
    WirePageBytes ask, page;
    uint8_t data[4096];
    const WirePage fetch = {.type = WIRE_FETCH, .page = 3};
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    start_threads(&s);
    for (WireExtent extent = {0}; extent.type != WIRE_END;) {
        g_assert_true(wire_peer_read(s.bulk, &bytes, sizeof bytes));
        g_assert_true(wire_extent_decode(&bytes, &extent, NULL));
        for (unsigned i = 0; i < LINK_DATA_PAGES && extent.data[0]; i++) {
            g_assert_true(wire_peer_read(s.bulk, data, sizeof data));
        }
    }
    wire_page_encode(&fetch, &ask);
    wire_peer_write(s.urgent, &ask, sizeof ask);
    g_assert_true(wire_peer_read(s.urgent, &page, sizeof page));
    g_assert_true(wire_peer_read(s.urgent, data, sizeof data));
    for (unsigned i = 0; i < 2; i++) {
        lose(&s);
        g_assert_cmpuint(s.session->past.pushed_pages, ==, LINK_DATA_PAGES);
        g_assert_cmpuint(s.session->past.answered_pages, ==, 1);
        g_assert_cmpuint(s.session->past.bytes_received, ==, sizeof ask);
        g_assert_cmpuint(s.session->past.bytes_sent, >=,
                         (LINK_DATA_PAGES + 1) * sizeof data);
    }
    link_scene_clear(&s);
}

/* Of what its threads complained of, only that QEMU is gone is still true. */
static void
complaints(gconstpointer data)
{
    bool gone = GPOINTER_TO_INT(data);
    LinkScene s;
    g_autoptr(GError) late = NULL, vm = NULL, why = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, NULL);
    if (gone) {
        error_set(&vm, ERROR_VM_GONE, "QEMU is gone");
        migrate_alarm_raise(&s.session->alarm, g_steal_pointer(&vm));
    } else {
        error_set(&late, ERROR_PEER_GONE, "a bulk connection ended early");
        migrate_alarm_raise(&s.session->alarm, g_steal_pointer(&late));
    }
    lose(&s);
    g_assert_cmpint(migrate_alarm_take(&s.session->alarm, &why), ==, !gone);
    g_assert_cmpint(error_is(why, ERROR_VM_GONE), ==, gone);
    link_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/outage/source", GINT_TO_POINTER(MIGRATE_SEND), lost);
    g_test_add_data_func("/outage/destination",
                         GINT_TO_POINTER(MIGRATE_RECEIVE), lost);
    g_test_add_func("/outage/counted", counted);
    g_test_add_data_func("/outage/complaints/of-the-peer",
                         GINT_TO_POINTER(false), complaints);
    g_test_add_data_func("/outage/complaints/of-qemu", GINT_TO_POINTER(true),
                         complaints);
    return g_test_run();
}
