/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The typed commands: what they send, what they make of replies, and what
 * they make of replies that make no sense.
 */
#include "qmp/qmp-qemu.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/support/qmp-peer.h"

#define CAPABILITIES \
    "[{\"state\": false, \"capability\": \"events\"}," \
    " {\"state\": true, \"capability\": \"x-ignore-shared\"}]"

typedef struct {
    QmpPeer *peer;
    QmpClient *client;
    GError *error;
} Dialogue;

static Dialogue
begin(const QmpPeerStep *steps)
{
    Dialogue dialogue = {.peer = qmp_peer_start(steps)};
    dialogue.client = qmp_client_open(qmp_peer_path(dialogue.peer), 20000,
                                      &dialogue.error);
    g_assert_no_error(dialogue.error);
    return dialogue;
}

static void
end(Dialogue *dialogue)
{
    g_assert_no_error(dialogue->error);
    qmp_client_close(dialogue->client);
    qmp_peer_stop(dialogue->peer);
}

static void
assert_error(Dialogue *dialogue, ErrorCode code, const char *words)
{
    g_assert_nonnull(dialogue->error);
    g_test_message("%s", dialogue->error->message);
    g_assert_true(error_is(dialogue->error, code));
    g_assert_nonnull(strstr(dialogue->error->message, words));
    g_clear_error(&dialogue->error);
}

static void
test_identity_and_states(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-name\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"query-uuid\""},
        {QMP_PEER_ANSWER, "{\"UUID\": \"0-1\"}"},
        {QMP_PEER_HEAR, "\"query-status\""},
        {QMP_PEER_ANSWER, "{\"status\": \"inmigrate\", \"running\": false}"},
        {QMP_PEER_HEAR, "\"query-migrate\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"query-migrate\""},
        {QMP_PEER_ANSWER,
         "{\"status\": \"failed\", \"error-desc\": \"No route\"}"},
        {QMP_PEER_END},
    };
    Dialogue d = begin(steps);
    QmpIdentity identity = {0};
    g_autofree char *detail = NULL;
    g_assert_true(qmp_qemu_identity(d.client, &identity, &d.error));
    g_assert_cmpstr(identity.name, ==, "");
    g_assert_cmpstr(identity.uuid, ==, "0-1");
    qmp_identity_clear(&identity);
    g_autofree char *state = qmp_qemu_run_state(d.client, &d.error);
    g_assert_cmpstr(state, ==, "inmigrate");
    g_autofree char *none =
        qmp_qemu_migration_status(d.client, NULL, &d.error);
    g_assert_cmpstr(none, ==, "none");
    g_autofree char *failed =
        qmp_qemu_migration_status(d.client, &detail, &d.error);
    g_assert_cmpstr(failed, ==, "failed");
    g_assert_cmpstr(detail, ==, "No route");
    end(&d);
}

static void
test_capabilities(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        {QMP_PEER_HEAR, "{\"capabilities\":[{\"capability\":\"events\","
                        "\"state\":true}]}"},
        {QMP_PEER_ANSWER, "{}"},
        /* QEMU has it, and refuses. */
        {QMP_PEER_HEAR, "{\"capability\":\"events\",\"state\":false}"},
        {QMP_PEER_REFUSE, NULL, "There's a migration process in progress"},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        /* QEMU does not have it. */
        {QMP_PEER_HEAR, "{\"capability\":\"mapped-ram\",\"state\":true}"},
        {QMP_PEER_REFUSE, NULL, "does not accept value 'mapped-ram'"},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, CAPABILITIES},
        {QMP_PEER_END},
    };
    Dialogue d = begin(steps);
    bool on = false;
    g_assert_true(qmp_qemu_get_capability(d.client, "x-ignore-shared", &on,
                                          &d.error));
    g_assert_true(on);
    g_assert_false(
        qmp_qemu_get_capability(d.client, "mapped-ram", &on, &d.error));
    assert_error(&d, ERROR_UNSUPPORTED,
                 "QEMU 7.2.22 has no migration capability 'mapped-ram'");
    g_assert_true(
        qmp_qemu_set_capability(d.client, "events", true, &d.error));
    g_assert_false(
        qmp_qemu_set_capability(d.client, "events", false, &d.error));
    assert_error(&d, ERROR_FAILED,
                 "switch migration capability 'events' off: QEMU refused "
                 "'migrate-set-capabilities': There's a migration");
    g_assert_false(
        qmp_qemu_set_capability(d.client, "mapped-ram", true, &d.error));
    assert_error(&d, ERROR_UNSUPPORTED, "QEMU 7.2.22 has no");
    static const char *const all[] = {"x-ignore-shared", "events", NULL};
    static const char *const on_only[] = {"x-ignore-shared", NULL};
    const char *off = "";
    g_assert_true(
        qmp_qemu_find_capability_off(d.client, all, &off, &d.error));
    g_assert_cmpstr(off, ==, "events");
    g_assert_true(
        qmp_qemu_find_capability_off(d.client, on_only, &off, &d.error));
    g_assert_null(off);
    end(&d);
}

static void
test_parameters(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-migrate-parameters\""},
        {QMP_PEER_ANSWER, "{\"max-bandwidth\": 1000, \"tls-creds\": \"\"}"},
        {QMP_PEER_HEAR, "\"query-migrate-parameters\""},
        {QMP_PEER_ANSWER, "{\"max-bandwidth\": 1000, \"tls-creds\": \"\"}"},
        {QMP_PEER_HEAR, "{\"downtime-limit\":300}"},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "{\"nonsense\":1}"},
        {QMP_PEER_REFUSE, NULL, "Parameter 'nonsense' is unexpected"},
        {QMP_PEER_HEAR, "\"query-migrate-parameters\""},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_END},
    };
    Dialogue d = begin(steps);
    gint64 value = 0;
    g_assert_true(
        qmp_qemu_get_parameter(d.client, "max-bandwidth", &value, &d.error));
    g_assert_cmpint(value, ==, 1000);
    g_assert_false(
        qmp_qemu_get_parameter(d.client, "tls-creds", &value, &d.error));
    assert_error(&d, ERROR_UNSUPPORTED, "'tls-creds'");
    g_assert_true(
        qmp_qemu_set_parameter(d.client, "downtime-limit", 300, &d.error));
    g_assert_false(qmp_qemu_set_parameter(d.client, "nonsense", 1, &d.error));
    assert_error(&d, ERROR_UNSUPPORTED, "'nonsense'");
    end(&d);
}

static void
test_migration_commands(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"migrate\",\"id\":2,\"arguments\":{\"uri\":\"u:x\"}"},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"migrate-incoming\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "{\"state\":\"pre-switchover\"}"},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"migrate-continue\""},
        {QMP_PEER_REFUSE, NULL, "Migration not in expected state: none"},
        {QMP_PEER_HEAR, "\"migrate_cancel\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"stop\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"cont\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_END},
    };
    Dialogue d = begin(steps);
    g_assert_true(qmp_qemu_migrate(d.client, "u:x", &d.error));
    g_assert_true(qmp_qemu_migrate_incoming(d.client, "u:x", &d.error));
    g_assert_true(qmp_qemu_migrate_continue(d.client, &d.error));
    g_assert_false(qmp_qemu_migrate_continue(d.client, &d.error));
    assert_error(&d, ERROR_STATE, "not in expected state");
    g_assert_true(qmp_qemu_migrate_cancel(d.client, &d.error));
    g_assert_true(qmp_qemu_stop(d.client, &d.error));
    g_assert_true(qmp_qemu_cont(d.client, &d.error));
    end(&d);
}

static void
test_descriptors(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR_FD, "{\"opaque\":\"postlude\"}", "pipe"},
        {QMP_PEER_ANSWER, "{\"fd\": 12, \"fdset-id\": 3}"},
        {QMP_PEER_HEAR, "{\"fdset-id\":3}"}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"add-fd\""},
        {QMP_PEER_ANSWER, "{\"fd\": -1, \"fdset-id\": 3}"},
        {QMP_PEER_HEAR_FD, "\"getfd\"", "again"}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"closefd\""},
        {QMP_PEER_REFUSE, NULL, "File descriptor named 'x' not found"},
        {QMP_PEER_END},
    };
    int ends[2];
    int fdset = -1;
    int remote_fd = -1;
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(write(ends[1], "pipe", 4), ==, 4);
    Dialogue d = begin(steps);
    g_assert_true(
        qmp_qemu_add_fd(d.client, ends[0], &fdset, &remote_fd, &d.error));
    g_assert_cmpint(fdset, ==, 3);
    g_assert_cmpint(remote_fd, ==, 12);
    g_assert_true(qmp_qemu_remove_fdset(d.client, fdset, &d.error));
    g_assert_false(
        qmp_qemu_add_fd(d.client, ends[0], &fdset, &remote_fd, &d.error));
    assert_error(&d, ERROR_PROTOCOL, "'fd'");
    g_assert_cmpint(write(ends[1], "again", 5), ==, 5);
    g_assert_true(qmp_qemu_getfd(d.client, ends[0], "x", &d.error));
    g_assert_false(qmp_qemu_closefd(d.client, "x", &d.error));
    assert_error(&d, ERROR_FAILED, "QEMU refused 'closefd': File");
    close(ends[0]);
    close(ends[1]);
    end(&d);
}

static void
test_replies_that_make_no_sense(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"query-name\""}, {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"query-uuid\""}, {QMP_PEER_ANSWER, "[]"},
        {QMP_PEER_HEAR, "\"query-status\""},
        {QMP_PEER_ANSWER, "{\"status\": 1}"},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_HEAR, "\"query-migrate-capabilities\""},
        {QMP_PEER_ANSWER, "[1, {\"capability\": \"events\"}]"},
        {QMP_PEER_END},
    };
    Dialogue d = begin(steps);
    QmpIdentity identity = {0};
    bool on;
    g_assert_false(qmp_qemu_identity(d.client, &identity, &d.error));
    assert_error(&d, ERROR_PROTOCOL, "'UUID'");
    g_assert_null(qmp_qemu_run_state(d.client, &d.error));
    assert_error(&d, ERROR_PROTOCOL, "'status'");
    g_assert_false(
        qmp_qemu_get_capability(d.client, "events", &on, &d.error));
    assert_error(&d, ERROR_PROTOCOL, "'query-migrate-capabilities'");
    g_assert_false(
        qmp_qemu_get_capability(d.client, "events", &on, &d.error));
    assert_error(&d, ERROR_PROTOCOL, "'state'");
    end(&d);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/qemu/identity-and-states", test_identity_and_states);
    g_test_add_func("/qmp/qemu/capabilities", test_capabilities);
    g_test_add_func("/qmp/qemu/parameters", test_parameters);
    g_test_add_func("/qmp/qemu/migration", test_migration_commands);
    g_test_add_func("/qmp/qemu/descriptors", test_descriptors);
    g_test_add_func("/qmp/qemu/no-sense", test_replies_that_make_no_sense);
    return g_test_run();
}
