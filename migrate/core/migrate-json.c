/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Members of JSON objects: see migrate-json.h.
 */
#include "migrate/core/migrate-json.h"

#include "base/error.h"
#include "base/printable.h"

void
migrate_json_int(JsonBuilder *json, const char *name, uint64_t value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, (gint64)value);
}

void
migrate_json_number(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json,
                                  (double)(gint64)(value * 1000 + 0.5) / 1000);
}

void
migrate_json_bool(JsonBuilder *json, const char *name, bool value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_boolean_value(json, value);
}

void
migrate_json_text(JsonBuilder *json, const char *name, const char *value)
{
    json_builder_set_member_name(json, name);
    g_autofree char *valid = value ? g_utf8_make_valid(value, -1) : NULL;
    json_builder_add_string_value(json, valid ? valid : "");
}

void
migrate_json_begin(JsonBuilder *json, const char *name)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
}

void
migrate_json_errors(JsonBuilder *json, const char *name,
                    const CollapseErrors *errors)
{
    migrate_json_begin(json, name);
    for (unsigned i = 0; i < G_N_ELEMENTS(errors->kinds); i++) {
        if (errors->kinds[i].count > 0) {
            migrate_json_int(json, error_errno_name(errors->kinds[i].errnum),
                             errors->kinds[i].count);
        }
    }
    json_builder_end_object(json);
}

char *
migrate_json_finish(JsonBuilder *json, bool pretty)
{
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autofree char *raw = json_to_string(root, pretty);
    g_autofree char *text = printable_json(raw);
    return pretty ? g_strconcat(text, "\n", NULL) : g_steal_pointer(&text);
}
