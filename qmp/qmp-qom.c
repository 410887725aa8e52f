/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qom-list and qom-get: see qmp-qom.h.
 */
#include "qmp/qmp-qom.h"

#include <string.h>

#include "base/error.h"
#include "qmp/qmp-message.h"

void
qmp_qom_child_clear(QmpQomChild *child)
{
    g_clear_pointer(&child->name, g_free);
    g_clear_pointer(&child->type, g_free);
}

/* "child<pc-dimm>" to "pc-dimm"; NULL for what is no child. */
static char *
child_type(const char *type)
{
    if (!g_str_has_prefix(type, "child<") || !g_str_has_suffix(type, ">")) {
        return NULL;
    }
    const char *inner = type + strlen("child<");
    return g_strndup(inner, strlen(inner) - 1);
}

/* The entries of a path: {"name": ..., "type": ...} each. */
static JsonNode *
qom_list(QmpClient *client, const char *path, JsonArray **entries,
         GError **error)
{
    g_autoptr(JsonNode) reply = qmp_client_execute(
        client, "qom-list", qmp_message_arguments("path", path, NULL), error);
    if (!reply) {
        g_prefix_error(error, "list QEMU's objects in '%s': ", path);
        return NULL;
    }
    *entries = qmp_message_array(reply, NULL);
    if (!*entries) {
        error_set(error, ERROR_PROTOCOL,
                  "QEMU's reply to 'qom-list' is not a list");
        return NULL;
    }
    return g_steal_pointer(&reply);
}

GArray *
qmp_qom_list(QmpClient *client, const char *path, GError **error)
{
    JsonArray *entries;
    g_autoptr(JsonNode) reply = qom_list(client, path, &entries, error);
    if (!reply) {
        return NULL;
    }
    GArray *children = g_array_new(false, true, sizeof(QmpQomChild));
    g_array_set_clear_func(children, (GDestroyNotify)qmp_qom_child_clear);
    for (guint i = 0; i < json_array_get_length(entries); i++) {
        JsonNode *entry = json_array_get_element(entries, i);
        const char *name = qmp_message_string(entry, "name");
        const char *type = qmp_message_string(entry, "type");
        char *inner = name && type ? child_type(type) : NULL;
        if (inner) {
            QmpQomChild child = {.name = g_strdup(name), .type = inner};
            g_array_append_val(children, child);
        }
    }
    return children;
}

GPtrArray *
qmp_qom_links(QmpClient *client, const char *path, const char *type,
              GError **error)
{
    JsonArray *entries;
    g_autoptr(JsonNode) reply = qom_list(client, path, &entries, error);
    if (!reply) {
        return NULL;
    }
    g_autofree char *link = g_strdup_printf("link<%s>", type);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < json_array_get_length(entries); i++) {
        JsonNode *entry = json_array_get_element(entries, i);
        const char *name = qmp_message_string(entry, "name");
        if (name &&
            g_strcmp0(qmp_message_string(entry, "type"), link) == 0) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    return names;
}

JsonNode *
qmp_qom_get_at(QmpClient *client, const char *path, const char *property,
               GError **error)
{
    JsonNode *reply = qmp_client_execute(
        client, "qom-get",
        qmp_message_arguments("path", path, "property", property, NULL),
        error);
    if (!reply) {
        g_prefix_error(error, "read property '%s' of '%s': ", property, path);
    }
    return reply;
}

JsonNode *
qmp_qom_get(QmpClient *client, const char *id, const char *property,
            GError **error)
{
    g_autofree char *path = g_strconcat("/objects/", id, NULL);
    return qmp_qom_get_at(client, path, property, error);
}
