/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The dialogue: replies find their command, events their queue, in whatever
 * order and pieces QEMU sends them. What goes wrong is in test-qmp-failure.c.
 */
#include "qmp/qmp-client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-message.h"
#include "tests/support/qmp-peer.h"

#define STOP "{\"timestamp\": {\"seconds\": 5, \"microseconds\": 1}, " \
             "\"event\": \"STOP\"}\r\n"
#define ACTIVE "{\"event\": \"MIGRATION\", \"data\": {\"status\": " \
               "\"active\"}}\r\n"
#define LONG_TIMEOUT_MS 20000

static QmpClient *
open_client(const QmpPeer *peer)
{
    g_autoptr(GError) error = NULL;
    QmpClient *client =
        qmp_client_open(qmp_peer_path(peer), LONG_TIMEOUT_MS, &error);
    g_assert_no_error(error);
    return client;
}

static void
assert_event(QmpClient *client, const char *name, const char *status)
{
    g_autoptr(QmpEvent) event = qmp_client_pop_event(client);
    g_assert_nonnull(event);
    g_assert_cmpstr(event->name, ==, name);
    g_assert_cmpstr(event->status, ==, status);
}

static void
assert_answer(QmpClient *client, const char *command, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, command, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(qmp_message_string(reply, NULL), ==, expected);
}

static void
close_all(QmpClient *client, QmpPeer *peer)
{
    qmp_client_close(client);
    qmp_peer_stop(peer);
}

static void
test_the_greeting_tells_version_and_process(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET}, {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    int major, minor, micro;
    qmp_client_version(client, &major, &minor, &micro);
    g_assert_cmpint(major * 10000 + minor * 100 + micro, ==, 70222);
    g_assert_cmpint(qmp_client_peer_pid(client), ==, getpid());
    close_all(client, peer);
}

static void
test_events_may_come_at_any_moment(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_SAY,
         STOP "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": "
              "0, \"major\": 8}}, \"capabilities\": []}}" ACTIVE},
        {QMP_PEER_HEAR, "\"qmp_capabilities\""},
        {QMP_PEER_SAY, STOP},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"query-a\""},
        {QMP_PEER_SAY, ACTIVE STOP},
        {QMP_PEER_ANSWER, "\"one\""},
        {QMP_PEER_END},
    };
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    assert_answer(client, "query-a", "one");
    assert_event(client, "STOP", NULL);
    assert_event(client, "MIGRATION", "active");
    assert_event(client, "STOP", NULL);
    assert_event(client, "MIGRATION", "active");
    assert_event(client, "STOP", NULL);
    g_assert_null(qmp_client_pop_event(client));
    close_all(client, peer);
}

static void
test_replies_in_pieces_and_in_heaps(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-a\""},
        {QMP_PEER_DRIBBLE, "{\"return\": \"grün {\\\"}\", \"id\": 2}\r\n"},
        {QMP_PEER_HEAR, "\"query-b\""},
        {QMP_PEER_SAY, STOP "{\"return\": \"two\", \"id\": 3}" ACTIVE STOP},
        {QMP_PEER_END},
    };
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    assert_answer(client, "query-a", "grün {\"}");
    assert_answer(client, "query-b", "two");
    assert_event(client, "STOP", NULL);
    assert_event(client, "MIGRATION", "active");
    close_all(client, peer);
}

static void
test_pump_takes_events_without_waiting(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, {QMP_PEER_WAIT}, {QMP_PEER_SAY, STOP}, {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    g_assert_true(qmp_client_pump(client, &error));
    g_assert_null(qmp_client_pop_event(client));
    qmp_peer_go(peer);
    g_assert_true(fd_wait(qmp_client_fd(client), POLLIN,
                          fd_deadline_ns(LONG_TIMEOUT_MS), &error));
    g_assert_true(qmp_client_pump(client, &error));
    g_autoptr(QmpEvent) event = qmp_client_pop_event(client);
    g_assert_nonnull(event);
    g_assert_cmpint(event->time_us, ==, 5000001);
    close_all(client, peer);
}

static void
test_a_late_reply_is_dropped_and_the_next_one_fits(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-slow\""},
        {QMP_PEER_HEAR, "\"query-next\""},
        {QMP_PEER_ANSWER_OLD, "\"slow\""},
        {QMP_PEER_ANSWER, "\"next\""},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    qmp_client_set_timeout(client, 50);
    g_assert_null(qmp_client_execute(client, "query-slow", NULL, &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    qmp_client_set_timeout(client, -1);
    assert_answer(client, "query-next", "next");
    close_all(client, peer);
}

static void
test_a_refusal_has_the_command_and_qemus_words(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"migrate\""},
        {QMP_PEER_REFUSE, "GenericError", "Not today"},
        {QMP_PEER_HEAR, "\"frobnicate\""},
        {QMP_PEER_REFUSE, "CommandNotFound", "Never heard"},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    g_assert_null(qmp_client_execute(client, "migrate", NULL, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_cmpstr(error->message, ==, "QEMU refused 'migrate': Not today");
    g_clear_error(&error);
    g_assert_null(qmp_client_execute(client, "frobnicate", NULL, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    close_all(client, peer);
}

static void
test_a_descriptor_travels_with_its_command(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR_FD, "\"arguments\":{\"fdname\":\"x\"}", "hello"},
        {QMP_PEER_ANSWER, "\"got it\""},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(ends[1], "hello", 5), ==, 5);
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = open_client(peer);
    g_autoptr(JsonNode) reply = qmp_client_execute_with_fd(
        client, "getfd", qmp_message_arguments("fdname", "x", NULL), ends[0],
        &error);
    g_assert_no_error(error);
    g_assert_cmpstr(qmp_message_string(reply, NULL), ==, "got it");
    /* It is still ours. */
    g_assert_cmpint(fcntl(ends[0], F_GETFD), >=, 0);
    fd_clear(&ends[0]);
    fd_clear(&ends[1]);
    close_all(client, peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/client/greeting",
                    test_the_greeting_tells_version_and_process);
    g_test_add_func("/qmp/client/events", test_events_may_come_at_any_moment);
    g_test_add_func("/qmp/client/pieces", test_replies_in_pieces_and_in_heaps);
    g_test_add_func("/qmp/client/pump", test_pump_takes_events_without_waiting);
    g_test_add_func("/qmp/client/late-reply",
                    test_a_late_reply_is_dropped_and_the_next_one_fits);
    g_test_add_func("/qmp/client/refusal",
                    test_a_refusal_has_the_command_and_qemus_words);
    g_test_add_func("/qmp/client/descriptor",
                    test_a_descriptor_travels_with_its_command);
    return g_test_run();
}
