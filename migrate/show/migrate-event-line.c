/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A line of --events-fd: see migrate-event-line.h.
 */
#include "migrate/show/migrate-event-line.h"

#include "base/error.h"
#include "migrate/core/migrate-json.h"

void
migrate_event_line_clear(MigrateEventLine *line)
{
    g_free(line->stage);
    g_free(line->reason);
    g_free(line->ended);
    g_free(line->report);
    *line = (MigrateEventLine){.exit_status = -1};
}

static JsonNode *
value_of(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == type
               ? node
               : NULL;
}

static char *
text_of(JsonObject *object, const char *name)
{
    JsonNode *node = value_of(object, name, G_TYPE_STRING);
    return node ? g_strdup(json_node_get_string(node)) : NULL;
}

static gint64
number_of(JsonObject *object, const char *name, gint64 otherwise)
{
    JsonNode *node = value_of(object, name, G_TYPE_INT64);
    return node ? json_node_get_int(node) : otherwise;
}

static void
event_line_take(JsonObject *object, MigrateEventLine *line)
{
    JsonNode *past = value_of(object, "past_no_return", G_TYPE_BOOLEAN);
    JsonNode *report = json_object_get_member(object, "report");
    line->stage = text_of(object, "stage");
    line->past_no_return = past && json_node_get_boolean(past);
    line->present_pages = (uint64_t)number_of(object, "present_pages", 0);
    line->total_pages = (uint64_t)number_of(object, "total_pages", 0);
    line->exit_status = (int)number_of(object, "exit", -1);
    line->reason = text_of(object, "reason");
    line->ended = text_of(object, "ended");
    line->report = report ? json_to_string(report, false) : NULL;
}

bool
migrate_event_line_parse(const char *text, MigrateEventLine *line,
                         GError **error)
{
    *line = (MigrateEventLine){.exit_status = -1};
    g_autoptr(GError) why = NULL;
    g_autoptr(JsonNode) node = json_from_string(text, &why);
    if (node && JSON_NODE_HOLDS_OBJECT(node)) {
        event_line_take(json_node_get_object(node), line);
    }
    if (!line->stage) {
        migrate_event_line_clear(line);
        return error_set(error, ERROR_PROTOCOL,
                         "not a line of --events-fd: %s",
                         why ? why->message : "no stage");
    }
    return true;
}
