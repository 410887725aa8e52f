/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's commands, typed: see qmp-qemu.h. RAM blocks are in qmp-ram.c, the
 * search for devices in qmp-device.c.
 */
#include "qmp/qmp-qemu.h"

#include <string.h>

#include "base/error.h"
#include "qmp/qmp-message.h"

/* For commands whose reply says nothing. */
static bool
qemu_run(QmpClient *client, const char *command, JsonNode *arguments,
         GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, command, arguments, error);
    return reply != NULL;
}

static bool
qemu_misunderstood(const char *command, const char *member, GError **error)
{
    return error_set(error, ERROR_PROTOCOL,
                     "QEMU's reply to '%s' has no sane '%s'", command, member);
}

/* "QEMU 7.2.22", for messages. */
static char *
describe_version(QmpClient *client)
{
    int major, minor, micro;
    qmp_client_version(client, &major, &minor, &micro);
    return g_strdup_printf("QEMU %d.%d.%d", major, minor, micro);
}

void
qmp_identity_clear(QmpIdentity *identity)
{
    g_clear_pointer(&identity->name, g_free);
    g_clear_pointer(&identity->uuid, g_free);
}

bool
qmp_qemu_identity(QmpClient *client, QmpIdentity *identity, GError **error)
{
    g_autoptr(JsonNode) name =
        qmp_client_execute(client, "query-name", NULL, error);
    if (!name) {
        return false;
    }
    g_autoptr(JsonNode) uuid =
        qmp_client_execute(client, "query-uuid", NULL, error);
    if (!uuid) {
        return false;
    }
    const char *uuid_text = qmp_message_string(uuid, "UUID");
    if (!uuid_text) {
        return qemu_misunderstood("query-uuid", "UUID", error);
    }
    const char *name_text = qmp_message_string(name, "name");
    identity->name = g_strdup(name_text ? name_text : "");
    identity->uuid = g_strdup(uuid_text);
    return true;
}

char *
qmp_qemu_run_state(QmpClient *client, GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, "query-status", NULL, error);
    const char *status = qmp_message_string(reply, "status");
    if (reply && !status) {
        qemu_misunderstood("query-status", "status", error);
    }
    return g_strdup(status);
}

char *
qmp_qemu_migration_status(QmpClient *client, char **detail, GError **error)
{
    if (detail) {
        *detail = NULL;
    }
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, "query-migrate", NULL, error);
    if (!reply) {
        return NULL;
    }
    if (detail) {
        *detail = g_strdup(qmp_message_string(reply, "error-desc"));
    }
    /* Before the first migration QEMU says nothing at all. */
    const char *status = qmp_message_string(reply, "status");
    return g_strdup(status ? status : "none");
}

bool
qmp_qemu_carried_pages(QmpClient *client, gint64 *pages, GError **error)
{
    static const char command[] = "query-migrate";
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, command, NULL, error);
    if (!reply) {
        return false;
    }
    *pages = -1;
    if (g_strcmp0(qmp_message_string(reply, "status"), "completed") != 0) {
        return true;
    }
    gint64 normal, duplicate;
    JsonNode *ram = qmp_message_member(reply, "ram");
    if (!ram) {
        return true; /* it came here, and has not left since */
    }
    if (!qmp_message_int(ram, "normal", &normal) ||
        !qmp_message_int(ram, "duplicate", &duplicate)) {
        return qemu_misunderstood(command, "ram", error);
    }
    *pages = normal + duplicate;
    return true;
}

static const char QUERY_CAPABILITIES[] = "query-migrate-capabilities";

/* The list that is in REPLY, which stays its owner; NULL: it is none. */
static JsonArray *
capability_list(JsonNode *reply, GError **error)
{
    JsonArray *entries = reply ? qmp_message_array(reply, NULL) : NULL;
    if (reply && !entries) {
        qemu_misunderstood(QUERY_CAPABILITIES, "list", error);
    }
    return entries;
}

static bool
find_capability(QmpClient *client, JsonArray *entries, const char *name,
                bool *on, GError **error)
{
    for (guint i = 0; i < json_array_get_length(entries); i++) {
        JsonNode *entry = json_array_get_element(entries, i);
        const char *found = qmp_message_string(entry, "capability");
        if (g_strcmp0(found, name) == 0) {
            return qmp_message_bool(entry, "state", on) ||
                   qemu_misunderstood(QUERY_CAPABILITIES, "state", error);
        }
    }
    g_autofree char *version = describe_version(client);
    return error_set(error, ERROR_UNSUPPORTED,
                     "%s has no migration capability '%s'", version, name);
}

bool
qmp_qemu_get_capability(QmpClient *client, const char *name, bool *on,
                        GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, QUERY_CAPABILITIES, NULL, error);
    JsonArray *entries = capability_list(reply, error);
    return entries && find_capability(client, entries, name, on, error);
}

bool
qmp_qemu_find_capability_off(QmpClient *client, const char *const *names,
                             const char **off, GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, QUERY_CAPABILITIES, NULL, error);
    JsonArray *entries = capability_list(reply, error);
    *off = NULL;
    for (; entries && *names && !*off; names++) {
        bool on;
        if (!find_capability(client, entries, *names, &on, error)) {
            return false;
        }
        *off = on ? NULL : *names;
    }
    return entries != NULL;
}

/* {"capabilities": [{"capability": NAME, "state": ON}]} */
static JsonNode *
capability_arguments(const char *name, bool on)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "capabilities");
    json_builder_begin_array(builder);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "capability");
    json_builder_add_string_value(builder, name);
    json_builder_set_member_name(builder, "state");
    json_builder_add_boolean_value(builder, on);
    json_builder_end_object(builder);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}

bool
qmp_qemu_set_capability(QmpClient *client, const char *name, bool on,
                        GError **error)
{
    g_autoptr(GError) why = NULL;
    if (qemu_run(client, "migrate-set-capabilities",
                 capability_arguments(name, on), &why)) {
        return true;
    }
    /* QEMU words "no such capability" and "not now" alike; the list of what
     * it has tells them apart. */
    bool ignored;
    if (error_is(why, ERROR_FAILED) &&
        !qmp_qemu_get_capability(client, name, &ignored, error)) {
        return false;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&why),
                               "switch migration capability '%s' %s: ", name,
                               on ? "on" : "off");
    return false;
}

bool
qmp_qemu_get_parameter(QmpClient *client, const char *name, gint64 *value,
                       GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, "query-migrate-parameters", NULL, error);
    if (!reply) {
        return false;
    }
    if (!qmp_message_int(reply, name, value)) {
        g_autofree char *version = describe_version(client);
        return error_set(error, ERROR_UNSUPPORTED,
                         "%s has no integer migration parameter '%s'",
                         version, name);
    }
    return true;
}

bool
qmp_qemu_set_parameter(QmpClient *client, const char *name, gint64 value,
                       GError **error)
{
    g_autoptr(GError) why = NULL;
    if (qemu_run(client, "migrate-set-parameters",
                 qmp_message_int_argument(name, value), &why)) {
        return true;
    }
    gint64 ignored;
    if (error_is(why, ERROR_FAILED) &&
        !qmp_qemu_get_parameter(client, name, &ignored, error)) {
        return false;
    }
    g_propagate_prefixed_error(
        error, g_steal_pointer(&why),
        "set migration parameter '%s' to %" G_GINT64_FORMAT ": ", name, value);
    return false;
}

bool
qmp_qemu_migrate(QmpClient *client, const char *uri, GError **error)
{
    return qemu_run(client, "migrate", qmp_message_arguments("uri", uri, NULL),
                    error);
}

bool
qmp_qemu_migrate_incoming(QmpClient *client, const char *uri, GError **error)
{
    return qemu_run(client, "migrate-incoming",
                    qmp_message_arguments("uri", uri, NULL), error);
}

static bool
continue_from(QmpClient *client, const char *state, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (qemu_run(client, "migrate-continue",
                 qmp_message_arguments("state", state, NULL), &why)) {
        return true;
    }
    /* The argument is a known state, so a refusal is about the moment. */
    if (error_is(why, ERROR_FAILED)) {
        why->code = ERROR_STATE;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

bool
qmp_qemu_migrate_continue(QmpClient *client, GError **error)
{
    return continue_from(client, "pre-switchover", error);
}

bool
qmp_qemu_migrate_cancel(QmpClient *client, GError **error)
{
    return qemu_run(client, "migrate_cancel", NULL, error);
}

/* migration_maybe_pause() (migration/migration.c, 7.2) does not look whether
 * the state that it could not change to pre-switchover is cancelling by now,
 * and migrate_cancel posts its semaphore in pre-switchover only. This command
 * posts it in whatever state it is told, if that is the right one. */
bool
qmp_qemu_migrate_cancel_again(QmpClient *client, GError **error)
{
    return continue_from(client, "cancelling", error);
}

bool
qmp_qemu_stop(QmpClient *client, GError **error)
{
    return qemu_run(client, "stop", NULL, error);
}

bool
qmp_qemu_cont(QmpClient *client, GError **error)
{
    return qemu_run(client, "cont", NULL, error);
}

bool
qmp_qemu_add_fd(QmpClient *client, int fd, int *fdset, int *remote_fd,
                GError **error)
{
    gint64 number = -1;
    gint64 set = -1;
    /* "opaque" is for whoever looks at query-fdsets and wonders. */
    g_autoptr(JsonNode) reply = qmp_client_execute_with_fd(
        client, "add-fd", qmp_message_arguments("opaque", "postlude", NULL),
        fd, error);
    if (!reply) {
        return false;
    }
    if (!qmp_message_int(reply, "fd", &number) || number < 0 ||
        number > G_MAXINT) {
        return qemu_misunderstood("add-fd", "fd", error);
    }
    if (!qmp_message_int(reply, "fdset-id", &set) || set < 0 ||
        set > G_MAXINT) {
        return qemu_misunderstood("add-fd", "fdset-id", error);
    }
    *remote_fd = (int)number;
    *fdset = (int)set;
    return true;
}

bool
qmp_qemu_remove_fdset(QmpClient *client, int fdset, GError **error)
{
    return qemu_run(client, "remove-fd",
                    qmp_message_int_argument("fdset-id", fdset), error);
}

bool
qmp_qemu_getfd(QmpClient *client, int fd, const char *name, GError **error)
{
    g_autoptr(JsonNode) reply = qmp_client_execute_with_fd(
        client, "getfd", qmp_message_arguments("fdname", name, NULL), fd,
        error);
    return reply != NULL;
}

bool
qmp_qemu_closefd(QmpClient *client, const char *name, GError **error)
{
    return qemu_run(client, "closefd",
                    qmp_message_arguments("fdname", name, NULL), error);
}
