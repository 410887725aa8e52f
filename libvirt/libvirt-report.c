/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last word as JSON: see libvirt-report.h.
 */
#include "libvirt/libvirt-report.h"

#include "migrate/core/migrate-json.h"

char *
libvirt_report_to_json(const LibvirtReport *report)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    migrate_json_int(json, "schema", LIBVIRT_REPORT_SCHEMA);
    migrate_json_text(json, "domain", report->domain);
    if (report->uuid) {
        migrate_json_text(json, "uuid", report->uuid);
    }
    migrate_json_text(json, "destination", report->destination);
    migrate_json_text(json, "outcome", report->outcome);
    if (report->reason) {
        migrate_json_text(json, "reason", report->reason);
    }
    if (report->libvirt_failure) {
        migrate_json_text(json, "libvirt", report->libvirt_failure);
    }
    JsonNode *sender = report->sender_json
                           ? json_from_string(report->sender_json, NULL)
                           : NULL;
    if (sender) {
        json_builder_set_member_name(json, "send");
        json_builder_add_value(json, sender);
    }
    json_builder_end_object(json);
    return migrate_json_finish(json, true);
}
