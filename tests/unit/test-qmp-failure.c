/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever a monitor can do wrong ends in the right code, in time, with words
 * that help. Sockets that cannot be reached are in test-qmp-socket.c.
 */
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-client.h"
#include "qmp/qmp-message.h"
#include "tests/support/qmp-peer.h"

#define SHORT_MS 100
#define LONG_MS 20000
#define EVENT "{\"event\": \"SHUTDOWN\"}\r\n"

static void
assert_failed(const GError *error, ErrorCode code, const char *words)
{
    g_assert_nonnull(error);
    g_test_message("%s: %s", error_code_name((ErrorCode)error->code),
                   error->message);
    g_assert_true(error_is(error, code));
    g_assert_nonnull(strstr(error->message, words));
}

/* Opening fails against this script. */
static void
assert_open_fails(const QmpPeerStep *steps, int timeout_ms, ErrorCode code,
                  const char *words)
{
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    g_assert_null(qmp_client_open(qmp_peer_path(peer), timeout_ms, &error));
    assert_failed(error, code, words);
    qmp_peer_stop(peer);
}

/* Opening works, the first command fails; the client is for the caller. */
static QmpClient *
assert_command_fails(QmpPeer *peer, int timeout_ms, ErrorCode code,
                     const char *words)
{
    g_autoptr(GError) error = NULL;
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), LONG_MS, &error);
    g_assert_no_error(error);
    qmp_client_set_timeout(client, timeout_ms);
    uint64_t start_ns = fd_now_ns();
    g_assert_null(qmp_client_execute(client, "query-a", NULL, &error));
    assert_failed(error, code, words);
    g_assert_nonnull(strstr(error->message, "'query-a'"));
    g_assert_cmpuint(fd_now_ns() - start_ns, <, UINT64_C(15000000000));
    return client;
}

static void
test_a_monitor_that_says_nothing_is_probably_taken(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_END}};
    uint64_t start_ns = fd_now_ns();
    assert_open_fails(steps, SHORT_MS, ERROR_RETRY, "another client probably");
    uint64_t took_ns = fd_now_ns() - start_ns;
    g_assert_cmpuint(took_ns, >=, SHORT_MS * UINT64_C(1000000));
    g_assert_cmpuint(took_ns, <, UINT64_C(10000000000));
    assert_open_fails(steps, SHORT_MS, ERROR_RETRY, "-qmp unix:");
}

static void
test_opening_meets_silence_garbage_and_the_end(void)
{
    static const QmpPeerStep hmp[] = {
        {QMP_PEER_SAY, "QEMU 7.2.22 monitor - type 'help'\r\n(qemu) "},
        {QMP_PEER_END}};
    static const QmpPeerStep closed[] = {{QMP_PEER_CLOSE}};
    static const QmpPeerStep half[] = {{QMP_PEER_SAY, "{\"QMP\": {"},
                                       {QMP_PEER_CLOSE}};
    static const QmpPeerStep mute[] = {
        {QMP_PEER_SAY,
         "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, "
         "\"major\": 8}}, \"capabilities\": []}}"},
        {QMP_PEER_HEAR, "qmp_capabilities"},
        {QMP_PEER_END}};
    assert_open_fails(hmp, LONG_MS, ERROR_PROTOCOL, "human monitor");
    assert_open_fails(closed, LONG_MS, ERROR_VM_GONE, "closed the connection");
    assert_open_fails(half, LONG_MS, ERROR_VM_GONE, "closed the connection");
    /* Long enough for the greeting to come, which is not what is late. */
    assert_open_fails(mute, 3000, ERROR_RETRY, "'qmp_capabilities'");
}

static void
test_no_answer_is_retry(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, {QMP_PEER_HEAR, "query-a"}, {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    qmp_client_close(
        assert_command_fails(peer, SHORT_MS, ERROR_RETRY, "did not answer"));
    qmp_peer_stop(peer);
}

static void
test_talking_without_answering_is_late_too(void)
{
    /* 9 MiB of white space is no message, and keeps the socket readable. */
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                        {QMP_PEER_HEAR, "query-a"},
                                        {QMP_PEER_FLOOD, "\n"},
                                        {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    qmp_client_close(
        assert_command_fails(peer, 1, ERROR_RETRY, "did not answer"));
    qmp_peer_stop(peer);
}

/* Commands pile up in the socket until it is full; then nothing is sent and
 * the time-out is the same. */
static void
test_a_monitor_that_does_not_read_is_retry(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, {QMP_PEER_WAIT}, {QMP_PEER_CLOSE}};
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), LONG_MS, &error);
    g_assert_no_error(error);
    qmp_client_set_timeout(client, 0);
    for (int i = 0; i < 20000; i++) {
        g_assert_null(qmp_client_execute(client, "query-a", NULL, &error));
        g_assert_true(error_is(error, ERROR_RETRY));
        g_clear_error(&error);
    }
    qmp_peer_go(peer);
    qmp_peer_stop(peer);
    g_assert_null(qmp_client_execute(client, "query-a", NULL, &error));
    assert_failed(error, ERROR_VM_GONE, "'query-a'");
    qmp_client_close(client);
}

static void
test_the_end_is_for_good_but_leaves_the_events(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                        {QMP_PEER_HEAR, "query-a"},
                                        {QMP_PEER_SAY, EVENT "{\"ret"},
                                        {QMP_PEER_CLOSE}};
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = assert_command_fails(peer, LONG_MS, ERROR_VM_GONE,
                                             "QEMU closed the connection");
    g_assert_false(qmp_client_pump(client, &error));
    assert_failed(error, ERROR_VM_GONE, "closed");
    g_clear_error(&error);
    g_assert_null(qmp_client_execute(client, "query-b", NULL, &error));
    assert_failed(error, ERROR_VM_GONE, "'query-b'");
    g_autoptr(QmpEvent) event = qmp_client_pop_event(client);
    g_assert_nonnull(event);
    g_assert_cmpstr(event->name, ==, "SHUTDOWN");
    qmp_client_close(client);
    qmp_peer_stop(peer);
}

static void
test_a_command_to_a_closed_monitor_finds_its_last_words(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, {QMP_PEER_SAY, EVENT}, {QMP_PEER_CLOSE}};
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), LONG_MS, &error);
    g_assert_no_error(error);
    /* After this the connection is certainly closed at the other end. */
    qmp_peer_stop(peer);
    g_assert_null(qmp_client_execute(client, "query-a", NULL, &error));
    assert_failed(error, ERROR_VM_GONE, "'query-a'");
    g_autoptr(QmpEvent) event = qmp_client_pop_event(client);
    g_assert_nonnull(event);
    qmp_client_close(client);
}

static void
test_a_reply_right_before_the_end_counts(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                        {QMP_PEER_HEAR, "quit"},
                                        {QMP_PEER_ANSWER, "\"bye\""},
                                        {QMP_PEER_CLOSE}};
    g_autoptr(GError) error = NULL;
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), LONG_MS, &error);
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, "quit", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(qmp_message_string(reply, NULL), ==, "bye");
    qmp_client_close(client);
    qmp_peer_stop(peer);
}

static void
test_what_is_no_answer_is_protocol(void)
{
    static const QmpPeerStep garbage = {QMP_PEER_SAY, "(qemu) "};
    static const QmpPeerStep binary = {QMP_PEER_SAY,
                                       "{\"return\": \"\xff\", \"id\": 2}"};
    static const QmpPeerStep flood = {QMP_PEER_FLOOD, "{"};
    static const QmpPeerStep nobody = {QMP_PEER_SAY,
                                       "{\"return\": {}, \"id\": 99}"};
    static const QmpPeerStep anonymous = {
        QMP_PEER_SAY, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
                      "\"JSON parse error\"}}"};
    static const QmpPeerStep again = {
        QMP_PEER_SAY, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, "
                      "\"minor\": 0, \"major\": 8}}, \"capabilities\": []}}"};
    static const struct {
        const QmpPeerStep *say;
        const char *words;
    } cases[] = {
        {&garbage, "this is not QMP: \"(qemu) \""},
        {&binary, "not UTF-8"},
        {&flood, "not QMP"},
        {&nobody, "a reply to nothing we asked"},
        {&anonymous, "JSON parse error"},
        {&again, "a second greeting"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                     {QMP_PEER_HEAR, "query-a"},
                                     *cases[i].say,
                                     {QMP_PEER_END}};
        QmpPeer *peer = qmp_peer_start(steps);
        qmp_client_close(assert_command_fails(peer, LONG_MS, ERROR_PROTOCOL,
                                              cases[i].words));
        qmp_peer_stop(peer);
    }
}

static void
test_a_message_without_end_is_protocol(void)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                        {QMP_PEER_HEAR, "query-a"},
                                        {QMP_PEER_SAY, "{\"return\": \""},
                                        {QMP_PEER_FLOOD, "x"},
                                        {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    qmp_client_close(assert_command_fails(peer, LONG_MS, ERROR_PROTOCOL,
                                          "more than 8 MiB"));
    qmp_peer_stop(peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/failure/silence",
                    test_a_monitor_that_says_nothing_is_probably_taken);
    g_test_add_func("/qmp/failure/opening",
                    test_opening_meets_silence_garbage_and_the_end);
    g_test_add_func("/qmp/failure/no-answer", test_no_answer_is_retry);
    g_test_add_func("/qmp/failure/talking",
                    test_talking_without_answering_is_late_too);
    g_test_add_func("/qmp/failure/does-not-read",
                    test_a_monitor_that_does_not_read_is_retry);
    g_test_add_func("/qmp/failure/end",
                    test_the_end_is_for_good_but_leaves_the_events);
    g_test_add_func("/qmp/failure/last-words",
                    test_a_command_to_a_closed_monitor_finds_its_last_words);
    g_test_add_func("/qmp/failure/last-reply",
                    test_a_reply_right_before_the_end_counts);
    g_test_add_func("/qmp/failure/no-answer-at-all",
                    test_what_is_no_answer_is_protocol);
    g_test_add_func("/qmp/failure/endless",
                    test_a_message_without_end_is_protocol);
    return g_test_run();
}
