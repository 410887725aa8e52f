/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Members of JSON objects, for the reports and the status: one shape each.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "collapse/collapse-sweep.h"

void migrate_json_int(JsonBuilder *json, const char *name, uint64_t value);

/* Three digits behind the point: what a microsecond is to a millisecond. */
void migrate_json_number(JsonBuilder *json, const char *name, double value);
void migrate_json_bool(JsonBuilder *json, const char *name, bool value);

/* NULL becomes "", what is no UTF-8 the replacement character. */
void migrate_json_text(JsonBuilder *json, const char *name, const char *value);

/* Begins an object under NAME; json_builder_end_object() ends it. */
void migrate_json_begin(JsonBuilder *json, const char *name);

/* An object of counts by errno name. */
void migrate_json_errors(JsonBuilder *json, const char *name,
                         const CollapseErrors *errors);

/* The whole document as text, owned by the caller: PRETTY on many lines with a
 * newline at the end, else on one without. Names in it do nothing to a terminal:
 * see base/printable.h. */
char *migrate_json_finish(JsonBuilder *json, bool pretty);
