/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that ended on the destination: told from a crash by what QEMU said
 * last, taken from the destination's word at the source, reported; and before
 * RUN neither that word nor the source's own is believed.
 */
#include "migrate/session/migrate-ending.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "migrate/link/migrate-readmit.h"
#include "migrate/session/migrate-wait.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define OPEN_MS 10000

static const QmpPeerStep powers_off[] = {
    {QMP_PEER_GREET, NULL, NULL},
    {QMP_PEER_SAY,
     "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
     "\"guest-shutdown\"}}\r\n",
     NULL},
    {QMP_PEER_CLOSE, NULL, NULL},
    {0}};

static const QmpPeerStep goes_silently[] = {
    {QMP_PEER_GREET, NULL, NULL}, {QMP_PEER_CLOSE, NULL, NULL}, {0}};

static void
noted(const QmpPeerStep *steps, WireEndedCode code, const char *words)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    QmpPeer *peer = qmp_peer_start(steps);
    s.session->guest.qmp =
        qmp_client_open(qmp_peer_path(peer), OPEN_MS, &error);
    g_assert_no_error(error);
    s.session->past_no_return = true;
    session_scene_end_qemu(&s);
    migrate_ending_note(s.session);
    g_assert_cmpint(s.session->guest.ended, ==, code);
    g_assert_true(s.session->guest.gone);
    bool ok = migrate_ending_conclude(s.session, &error);
    g_assert_cmpint(ok, ==, code != WIRE_ENDED_CRASHED);
    const char *said = ok ? s.session->report.reason : error->message;
    g_assert_nonnull(strstr(said, words));
    g_assert_true(!ok ? error_is(error, ERROR_VM_GONE)
                      : g_str_equal(s.session->report.outcome, "ended"));
    session_scene_clear(&s);
    qmp_peer_stop(peer);
}

static void
shutdown_is_noted(void)
{
    noted(powers_off, WIRE_ENDED_SHUT_DOWN,
          "the guest has shut down here: it powered off");
}

static void
silence_is_a_crash(void)
{
    noted(goes_silently, WIRE_ENDED_CRASHED, "ended without saying why");
}

/* Sends a frame to SESSION over a connection made for it, and takes it in. */
static bool
hear(MigrateSession *session, unsigned type, const GByteArray *payload,
     GError **error)
{
    int fds[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    g_autoptr(WireLink) peer = wire_link_new(fds[1]);
    g_clear_pointer(&session->peer.control, wire_link_free);
    session->peer.control = wire_link_new(fds[0]);
    g_assert_true(wire_link_send_frame(peer, type, payload, NULL));
    return migrate_session_take_in(session, error);
}

static void
source_hears(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_ended_encode(WIRE_ENDED_SHUT_DOWN, "it powered off", payload);
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    g_assert_false(hear(session, WIRE_FRAME_ENDED, payload, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_nonnull(strstr(error->message, "before RUN"));
    g_assert_false(session->source.complete);
    session->past_no_return = true;
    g_assert_true(hear(session, WIRE_FRAME_ENDED, payload, NULL));
    g_assert_false(migrate_readmit_heard(session, WIRE_FRAME_RUNNING));
    g_assert_true(session->source.complete && session->source.running);
    g_assert_true(migrate_ending_conclude(session, NULL));
    g_assert_cmpstr(session->report.reason, ==,
                    "the guest has shut down on the destination: it powered "
                    "off");
    g_assert_cmpstr(session->report.ended, ==, "shut down");
    session_scene_clear(&s);
}

/* What is no ENDED counts as a lost connection: nothing is let go. */
static void
nonsense_is_not_believed(void)
{
    SessionScene s;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_ended_encode((WireEndedCode)(WIRE_ENDED_LAST + 1), "x", payload);
    session_scene_init(&s, MIGRATE_SEND);
    s.session->past_no_return = true;
    g_assert_true(hear(s.session, WIRE_FRAME_ENDED, payload, NULL));
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING,
                          "*unknown way*leave it running*");
    g_assert_false(migrate_readmit_heard(s.session, WIRE_FRAME_DONE));
    g_test_assert_expected_messages();
    g_assert_false(s.session->source.complete);
    g_assert_cmpint(s.session->guest.ended, ==, 0);
    session_scene_clear(&s);
}

static void
source_runs(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    g_assert_false(hear(s.session, WIRE_FRAME_SOURCE_RUNS, NULL, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_false(s.session->report.source_ran);
    s.session->past_no_return = true;
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING, "*BOTH hosts*");
    g_assert_true(hear(s.session, WIRE_FRAME_SOURCE_RUNS, NULL, NULL));
    g_test_assert_expected_messages();
    g_assert_true(s.session->report.source_ran);
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/ending/shutdown-is-noted", shutdown_is_noted);
    g_test_add_func("/ending/silence-is-a-crash", silence_is_a_crash);
    g_test_add_func("/ending/source-hears", source_hears);
    g_test_add_func("/ending/nonsense", nonsense_is_not_believed);
    g_test_add_func("/ending/source-runs", source_runs);
    return g_test_run();
}
