/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A known report as JSON, read back, and as text.
 */
#include "migrate/show/migrate-summary.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"

#define S UINT64_C(1000000000)
#define MIB UINT64_C(1048576)

static MigrateReport
known(void)
{
    MigrateReport r = {
        .role = "receive", .outcome = "completed",
        .vm_name = g_strdup("web \"1\""), .vm_uuid = g_strdup("0-1"),
        .ram_bytes = 1024 * MIB,
        .started_ns = 10 * S, .armed_ns = 10 * S + S / 4,
        .switched_ns = 13 * S, .arrived_ns = 14 * S, .ended_ns = 15 * S,
        .waited_ns = 2 * S, .downtime_ms = 21.12345,
        .pages = {.total = 1000, .demand = 10, .pushed = 700, .zero = 290,
                  .duplicate = 5, .discarded = 3},
        .bytes_received = 500000000, .bytes_sent = 1000, .device_bytes = 77,
        .huge = {.eligible_bytes = 1024 * MIB, .before_bytes = 0,
                 .after_bytes = 512 * MIB, .laid_extents = 500,
                 .small_extents = 12, .sweep_ns = 7500000, .lay_ns = 90000000},
    };
    collapse_errors_add(&r.huge.failed, ENOMEM);
    collapse_errors_add(&r.huge.failed, ENOMEM);
    for (unsigned i = 1; i <= 100; i++) {
        histogram_add(&r.fault_latency, i * 1000);
    }
    return r;
}

static double
number(JsonObject *o, const char *name)
{
    g_assert_true(json_object_has_member(o, name));
    return json_object_get_double_member(o, name);
}

static void
assert_number(JsonObject *o, const char *name, double expected)
{
    g_assert_cmpfloat_with_epsilon(number(o, name), expected, 1e-6);
}

static JsonParser *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonParser *parser = json_parser_new();
    json_parser_load_from_data(parser, text, -1, &error);
    g_assert_no_error(error);
    return parser;
}

static JsonObject *
object(JsonParser *parser)
{
    return json_node_get_object(json_parser_get_root(parser));
}

static void
check_head(JsonObject *o)
{
    JsonObject *vm = json_object_get_object_member(o, "vm");
    JsonObject *pages = json_object_get_object_member(o, "pages");
    assert_number(o, "schema", 1);
    g_assert_cmpstr(json_object_get_string_member(o, "role"), ==, "receive");
    g_assert_cmpstr(json_object_get_string_member(o, "outcome"), ==,
                    "completed");
    g_assert_false(json_object_has_member(o, "reason"));
    g_assert_cmpstr(json_object_get_string_member(vm, "name"), ==,
                    "web \"1\"");
    assert_number(vm, "ram_bytes", 1073741824);
    assert_number(o, "downtime_ms", 21.123);
    assert_number(o, "prepare_ms", 250);
    assert_number(o, "postcopy_ms", 1000);
    assert_number(o, "total_ms", 2000); /* 4 s but for the 2 s of waiting */
    assert_number(pages, "total", 1000);
    assert_number(pages, "demand", 10);
    assert_number(pages, "pushed", 700);
    assert_number(pages, "zero", 290);
    assert_number(pages, "duplicate", 5);
    assert_number(pages, "discarded", 3);
}

static void
as_json(void)
{
    MigrateReport r = known();
    g_autofree char *text = migrate_summary_to_json(&r);
    g_assert_true(g_str_has_suffix(text, "}\n"));
    g_autoptr(JsonParser) parser = parse(text);
    JsonObject *o = object(parser);
    check_head(o);
    JsonObject *latency = json_object_get_object_member(o, "fault_latency_us");
    assert_number(latency, "count", 100);
    assert_number(latency, "mean", 50.5);
    assert_number(latency, "max", 100);
    g_assert_cmpfloat(number(latency, "p50"), >=, 50);
    g_assert_cmpfloat(number(latency, "p50"), <=, 50 * 17.0 / 16);
    g_assert_cmpfloat(number(latency, "p99"), >=, 99);
    g_assert_cmpfloat(number(latency, "p999"), <=, 100);
    g_assert_cmpfloat(number(latency, "p90"), >=, 90);
    assert_number(o, "bytes_received", 500000000);
    assert_number(o, "device_bytes", 77);
    assert_number(o, "throughput_bytes_per_s", 500000000);
    JsonObject *huge = json_object_get_object_member(o, "huge");
    assert_number(huge, "after_bytes", 536870912);
    assert_number(huge, "laid_extents", 500);
    assert_number(huge, "lay_ms", 90);
    assert_number(huge, "sweep_ms", 7.5);
    JsonObject *failed = json_object_get_object_member(huge, "failed");
    assert_number(failed, "ENOMEM", 2);
    g_assert_cmpuint(json_object_get_size(failed), ==, 1);
    JsonObject *helper = json_object_get_object_member(o, "helper");
    g_assert_cmpfloat(number(helper, "max_rss_kib"), >, 100);
    g_assert_cmpfloat(number(helper, "cpu_ms"), >=, 0);
    migrate_report_clear(&r);
}

static void
as_text(void)
{
    static const char *const words[] = {
        "receive web \"1\": completed\n", "2000 ms in all",
        "prepared in 250 ms", "down for 21.1 ms", "postcopy 1000 ms",
        "1000: 10 on demand, 700 pushed, 290 zero", "476.8 MiB, 500.0 MB/s",
        "faults     100, each answered in 50 us (mean)", "100 us (worst)",
        "512 of 1024 MiB (50.0%), 500 extents born huge, 12 small",
        "ENOMEM: 2 extents",
    };
    MigrateReport r = known();
    g_autofree char *text = migrate_summary_to_text(&r);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strstr(text, words[i])) {
            g_test_message("%s", text);
        }
        g_assert_nonnull(strstr(text, words[i]));
    }
    migrate_report_clear(&r);
}

static void
assert_unknown(JsonObject *o, const char *name)
{
    g_assert_true(json_object_get_null_member(o, name));
}

/* What the one that was killed did not record is not 0, nor is what it did. */
static void
taken_over(void)
{
    MigrateReport r = known();
    r.takeovers = 2;
    r.started_ns = 0;
    r.downtime_unknown = true;
    r.pages.zero_unknown = true;
    r.pages.unknown = 17;
    g_autofree char *json = migrate_summary_to_json(&r);
    g_autofree char *text = migrate_summary_to_text(&r);
    g_autoptr(JsonParser) parser = parse(json);
    JsonObject *o = object(parser);
    JsonObject *pages = json_object_get_object_member(o, "pages");
    assert_number(o, "takeovers", 2);
    assert_unknown(o, "downtime_ms");
    assert_unknown(o, "prepare_ms");
    assert_unknown(o, "total_ms");
    assert_number(o, "postcopy_ms", 1000);
    assert_unknown(pages, "zero");
    assert_number(pages, "unknown", 17);
    g_assert_nonnull(strstr(text, "an unknown time in all: prepared in an "
                                  "unknown time, down for an unknown time, "
                                  "postcopy 1000 ms\n"));
    g_assert_nonnull(strstr(text, "pushed, the others zero or sent without a "
                                  "record\n"));
    g_assert_nonnull(strstr(text, "taken over 2 times; 17 pages came in a way "
                                  "that was not recorded\n"));
    g_assert_nonnull(strstr(text, "faults     100 since then, each"));
    migrate_report_clear(&r);
}

/* Nothing happened yet: no division by it, no time before the beginning. */
static void
of_a_failure(void)
{
    MigrateReport r = {.role = "send", .outcome = "failed",
                       .reason = g_strdup("no room")};
    g_autofree char *json = migrate_summary_to_json(&r);
    g_autofree char *text = migrate_summary_to_text(&r);
    g_autoptr(JsonParser) parser = parse(json);
    JsonObject *o = object(parser);
    g_assert_cmpstr(json_object_get_string_member(o, "reason"), ==, "no room");
    assert_number(o, "total_ms", 0);
    assert_number(o, "throughput_bytes_per_s", 0);
    assert_number(json_object_get_object_member(o, "fault_latency_us"), "p99",
                  0);
    g_assert_cmpstr(text, ==, "send (unnamed guest): failed: no room\n");
    g_assert_false(json_object_get_boolean_member(o, "source_ran"));
    migrate_report_clear(&r);
    migrate_report_clear(&r);
}

/* Whatever else is said, this must not be missed. */
static void
of_a_guest_that_ran_twice(void)
{
    MigrateReport r = {.role = "send", .outcome = "given-up",
                       .source_ran = true};
    g_autofree char *json = migrate_summary_to_json(&r);
    g_autofree char *text = migrate_summary_to_text(&r);
    g_autoptr(JsonParser) parser = parse(json);
    g_assert_true(json_object_get_boolean_member(object(parser),
                                                 "source_ran"));
    g_assert_nonnull(strstr(text, "started on BOTH hosts"));
}

static void
on_disk(void)
{
    MigrateReport r = known();
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("postlude-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "report.json", NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_set_contents(path, "old", -1, NULL));
    migrate_summary_write(&r, path, &error);
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autoptr(JsonParser) parser = parse(text);
    check_head(object(parser));
    g_assert_no_errno(g_unlink(path));
    g_assert_no_errno(g_rmdir(dir));
    g_assert_false(migrate_summary_write(&r, path, &error));
    g_assert_nonnull(strstr(error->message, "cannot write the report"));
    g_assert_nonnull(strstr(error->message, path));
    migrate_report_clear(&r);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/summary/json", as_json);
    g_test_add_func("/summary/text", as_text);
    g_test_add_func("/summary/taken-over", taken_over);
    g_test_add_func("/summary/failure", of_a_failure);
    g_test_add_func("/summary/ran-twice", of_a_guest_that_ran_twice);
    g_test_add_func("/summary/disk", on_disk);
    return g_test_run();
}
