/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * JSON text to typed messages: see qmp-message.h. The only file of the room
 * that parses JSON.
 */
#include "qmp/qmp-message.h"

#include <stdarg.h>

#include "base/error.h"

void
qmp_message_free(QmpMessage *message)
{
    if (message) {
        g_clear_pointer(&message->value, json_node_unref);
        g_clear_pointer(&message->event, qmp_event_free);
        g_free(message->error_class);
        g_free(message->error_desc);
        g_free(message);
    }
}

/* json-glib's own getters complain aloud of a wrong type; these say no. */
static JsonNode *
message_look(JsonNode *node, const char *member)
{
    if (!member || !node) {
        return node;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return NULL;
    }
    return json_object_get_member(json_node_get_object(node), member);
}

static JsonNode *
look_value(JsonNode *node, const char *member, GType type)
{
    JsonNode *found = message_look(node, member);
    bool fits = found && JSON_NODE_HOLDS_VALUE(found) &&
                json_node_get_value_type(found) == type;
    return fits ? found : NULL;
}

const char *
qmp_message_string(JsonNode *node, const char *member)
{
    JsonNode *found = look_value(node, member, G_TYPE_STRING);
    return found ? json_node_get_string(found) : NULL;
}

bool
qmp_message_int(JsonNode *node, const char *member, gint64 *value)
{
    JsonNode *found = look_value(node, member, G_TYPE_INT64);
    if (found) {
        *value = json_node_get_int(found);
    }
    return found != NULL;
}

bool
qmp_message_bool(JsonNode *node, const char *member, bool *value)
{
    JsonNode *found = look_value(node, member, G_TYPE_BOOLEAN);
    if (found) {
        *value = json_node_get_boolean(found);
    }
    return found != NULL;
}

JsonArray *
qmp_message_array(JsonNode *node, const char *member)
{
    JsonNode *found = message_look(node, member);
    return found && JSON_NODE_HOLDS_ARRAY(found) ? json_node_get_array(found)
                                                 : NULL;
}

JsonNode *
qmp_message_member(JsonNode *node, const char *member)
{
    return message_look(node, member);
}

static int
version_part(JsonNode *version, const char *name)
{
    gint64 value = 0;
    bool sane = qmp_message_int(version, name, &value) && value >= 0 &&
                value <= G_MAXINT;
    return sane ? (int)value : -1;
}

static bool
parse_greeting(QmpMessage *message, JsonNode *greeting, GError **error)
{
    JsonNode *version = message_look(message_look(greeting, "version"), "qemu");
    message->kind = QMP_MESSAGE_GREETING;
    message->major = version_part(version, "major");
    message->minor = version_part(version, "minor");
    message->micro = version_part(version, "micro");
    if (message->major < 0 || message->minor < 0 || message->micro < 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "the QMP greeting names no version");
    }
    return true;
}

static bool
parse_event(QmpMessage *message, JsonNode *root, GError **error)
{
    const char *name = qmp_message_string(root, "event");
    if (!name) {
        return error_set(error, ERROR_PROTOCOL,
                         "a QMP event has no name");
    }
    message->kind = QMP_MESSAGE_EVENT;
    message->event = g_new0(QmpEvent, 1);
    message->event->name = g_strdup(name);
    JsonNode *data = message_look(root, "data");
    message->event->status = g_strdup(qmp_message_string(data, "status"));
    message->event->reason = g_strdup(qmp_message_string(data, "reason"));
    (void)qmp_message_bool(data, "guest", &message->event->guest);

    JsonNode *stamp = message_look(root, "timestamp");
    gint64 seconds = 0;
    gint64 us = 0;
    /* QEMU writes -1 when its clock could not be read. */
    if (qmp_message_int(stamp, "seconds", &seconds) && seconds >= 0 &&
        seconds < G_MAXINT64 / G_USEC_PER_SEC - 1 &&
        qmp_message_int(stamp, "microseconds", &us) && us >= 0 &&
        us < G_USEC_PER_SEC) {
        message->event->time_us = seconds * G_USEC_PER_SEC + us;
    }
    return true;
}

static bool
parse_error(QmpMessage *message, JsonNode *failure, GError **error)
{
    const char *kind = qmp_message_string(failure, "class");
    const char *text = qmp_message_string(failure, "desc");
    if (!kind || !text) {
        return error_set(error, ERROR_PROTOCOL,
                         "a QMP error has no class or no text");
    }
    message->kind = QMP_MESSAGE_ERROR;
    message->error_class = g_strdup(kind);
    message->error_desc = g_strdup(text);
    return true;
}

static bool
parse_root(QmpMessage *message, JsonNode *root, GError **error)
{
    if (message_look(root, "event")) {
        return parse_event(message, root, error);
    }
    if (message_look(root, "QMP")) {
        return parse_greeting(message, message_look(root, "QMP"), error);
    }
    (void)qmp_message_int(root, "id", &message->id);
    if (message_look(root, "error")) {
        return parse_error(message, message_look(root, "error"), error);
    }
    if (message_look(root, "return")) {
        message->kind = QMP_MESSAGE_RETURN;
        message->value = json_node_copy(message_look(root, "return"));
        return true;
    }
    return error_set(error, ERROR_PROTOCOL,
                     "a QMP message is neither greeting, reply nor event");
}

QmpMessage *
qmp_message_parse(const char *text, gsize bytes, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) why = NULL;
    if (!g_utf8_validate_len(text, bytes, NULL)) {
        error_set(error, ERROR_PROTOCOL, "a QMP message is not UTF-8");
        return NULL;
    }
    if (!json_parser_load_from_data(parser, text, (gssize)bytes, &why)) {
        error_set(error, ERROR_PROTOCOL, "a QMP message is not JSON: %s",
                  why->message);
        return NULL;
    }
    JsonNode *root = json_parser_get_root(parser);
    g_autoptr(QmpMessage) message = g_new0(QmpMessage, 1);
    if (!root || !parse_root(message, root, error)) {
        if (!root) {
            error_set(error, ERROR_PROTOCOL, "a QMP message is empty");
        }
        return NULL;
    }
    return g_steal_pointer(&message);
}

static JsonNode *
node_of_object(JsonObject *taken)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, taken);
    return node;
}

char *
qmp_message_command(const char *command, gint64 id, JsonNode *arguments)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "execute", command);
    json_object_set_int_member(object, "id", id);
    if (arguments) {
        json_object_set_member(object, "arguments",
                               json_node_copy(arguments));
    }
    g_autoptr(JsonNode) root = node_of_object(object);
    g_autofree char *text = json_to_string(root, false);
    return g_strconcat(text, "\n", NULL);
}

JsonNode *
qmp_message_arguments(const char *name, ...)
{
    JsonObject *object = json_object_new();
    va_list args;
    va_start(args, name);
    for (const char *at = name; at; at = va_arg(args, const char *)) {
        json_object_set_string_member(object, at, va_arg(args, const char *));
    }
    va_end(args);
    return node_of_object(object);
}

JsonNode *
qmp_message_int_argument(const char *name, gint64 value)
{
    JsonObject *object = json_object_new();
    json_object_set_int_member(object, name, value);
    return node_of_object(object);
}
