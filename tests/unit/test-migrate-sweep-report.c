/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The report of a sweep: what an operator has to know is in its text, and under
 * its fixed name in its JSON.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/range.h"
#include "migrate/sweep/migrate-sweep-report.h"

static char why[] = "cannot look";

static void
fill(MigrateSweepReport *report)
{
    *report = (MigrateSweepReport){.pid = 42,
                                   .how = "mapper-failed",
                                   .words = g_strdup("not everywhere"),
                                   .duty = 0.1,
                                   .growth_bytes = 3 * EXTENT_BYTES / 2};
    report->by_outcome[COLLAPSE_OUTCOME_NO_ROOM] = 4;
    const MigrateSweepMapper failed = {.pid = 7, .comm = "virtiofsd",
                                       .error = why};
    const MigrateSweepMapper swept = {.pid = 8, .comm = "backend",
                                      .extents = 5, .huge = 5};
    report->mappers = g_array_new(false, true, sizeof failed);
    g_array_append_val(report->mappers, failed);
    g_array_append_val(report->mappers, swept);
}

static void
text(void)
{
    g_auto(MigrateSweepReport) report = {0};
    fill(&report);
    g_autofree char *said = migrate_sweep_report_to_text(&report);
    static const char *const words[] = {
        "collapse guest (process 42): not everywhere\n",
        "the guest takes 3.0 MiB more",
        "still small 8 MiB: hold little",
        "remedy: free memory on this host, or raise the limit",
        "process 7 (virtiofsd) was not swept: cannot look\n",
        "process 8 (backend): 10 of 10 MiB huge\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strstr(said, words[i])) {
            g_error("\"%s\" is not in it: %s", words[i], said);
        }
    }
    g_assert_null(strstr(said, "process 7 (virtiofsd): "));
}

static void
text_of_a_dry_run(void)
{
    g_auto(MigrateSweepReport) report = {0};
    fill(&report);
    report.how = "dry-run";
    g_autofree char *said = migrate_sweep_report_to_text(&report);
    g_assert_nonnull(strstr(said, "the guest would take 3.0 MiB more"));
}

static void
json(void)
{
    g_auto(MigrateSweepReport) report = {0};
    g_autoptr(GError) error = NULL;
    fill(&report);
    g_autofree char *said = migrate_sweep_report_to_json(&report);
    g_autoptr(JsonNode) root = json_from_string(said, &error);
    g_assert_no_error(error);
    JsonObject *o = json_node_get_object(root);
    g_assert_cmpstr(json_object_get_string_member(o, "outcome"), ==,
                    "mapper-failed");
    g_assert_cmpint(json_object_get_int_member(o, "growth_bytes"), ==,
                    3 * EXTENT_BYTES / 2);
    g_assert_cmpint(
        json_object_get_int_member(
            json_object_get_object_member(o, "extents"), "no-room"),
        ==, 4);
    JsonArray *mappers = json_object_get_array_member(o, "mappers");
    g_assert_cmpstr(json_object_get_string_member(
                        json_array_get_object_element(mappers, 0), "error"),
                    ==, why);
    g_assert_cmpstr(json_object_get_string_member(
                        json_array_get_object_element(mappers, 1), "error"),
                    ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate-sweep-report/text", text);
    g_test_add_func("/migrate-sweep-report/dry-run", text_of_a_dry_run);
    g_test_add_func("/migrate-sweep-report/json", json);
    return g_test_run();
}
