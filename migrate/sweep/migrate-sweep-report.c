/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A sweep's figures as text and JSON: see migrate-sweep-report.h.
 */
#include "migrate/sweep/migrate-sweep-report.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/printable.h"
#include "base/range.h"
#include "migrate/core/migrate-json.h"

#define SCHEMA 1
#define MIB 1048576.0
/* What a copy takes on today's hosts; only for the guess of a dry run. */
#define GUESS_S_PER_EXTENT 0.0012

static double
sweep_report_percent(const CollapseCount *count)
{
    return count->populated
               ? (double)count->huge * 100 / (double)count->populated
               : 0;
}

static void
add_outcomes(GString *text, const uint64_t by_outcome[COLLAPSE_OUTCOMES])
{
    for (unsigned i = 0; i < COLLAPSE_OUTCOMES; i++) {
        const char *remedy = collapse_outcome_remedy(i);
        if (by_outcome[i] == 0 || i == COLLAPSE_OUTCOME_DONE ||
            i == COLLAPSE_OUTCOME_ALREADY || i == COLLAPSE_OUTCOME_EMPTY) {
            continue;
        }
        g_string_append_printf(text, "  still small %" PRIu64 " MiB: %s\n",
                               by_outcome[i] * 2, collapse_outcome_words(i));
        if (remedy) {
            g_string_append_printf(text, "              remedy: %s\n", remedy);
        }
    }
}

static void
add_errors(GString *text, const CollapseErrors *errors)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors->kinds); i++) {
        if (errors->kinds[i].count) {
            g_string_append_printf(text, "%s%s %" PRIu64 " times",
                                   i ? ", " : "  refusals    ",
                                   error_errno_name(errors->kinds[i].errnum),
                                   errors->kinds[i].count);
        }
    }
    if (collapse_errors_total(errors)) {
        g_string_append(text, " (second tries included)\n");
    }
}

static void
add_sweep(GString *text, const MigrateSweepReport *report)
{
    const CollapseResult *result = &report->result;
    g_string_append_printf(
        text,
        "  extents     %" PRIu64 " made huge, %" PRIu64 " were huge already, "
        "%" PRIu64 " hold no data\n"
        "  time        %.1f s, of which %.2f s in %" PRIu64 " calls; the "
        "longest took %.1f ms\n",
        report->by_outcome[COLLAPSE_OUTCOME_DONE],
        report->by_outcome[COLLAPSE_OUTCOME_ALREADY],
        report->by_outcome[COLLAPSE_OUTCOME_EMPTY],
        (double)result->elapsed_ns / 1e9, (double)result->call_ns / 1e9,
        result->calls, (double)result->longest_call_ns / 1e6);
    if (report->growth_bytes) {
        g_string_append_printf(text,
                               "  growth      the guest takes %.1f MiB more: "
                               "what was filled in part is whole now\n",
                               (double)report->growth_bytes / MIB);
    }
    if (result->compacted) {
        g_string_append(text, "  memory      the kernel was asked to compact "
                              "this host's memory\n");
    }
    add_errors(text, &result->errors);
}

static void
add_guess(GString *text, const MigrateSweepReport *report)
{
    uint64_t extents = report->by_outcome[COLLAPSE_OUTCOME_WAITING];
    g_string_append_printf(
        text,
        "  to do       %" PRIu64 " extents (%" PRIu64 " MiB), some %.0f s at "
        "a duty of %.0f%%\n",
        extents, extents * 2,
        (double)extents * GUESS_S_PER_EXTENT / report->duty,
        report->duty * 100);
    if (report->growth_bytes) {
        g_string_append_printf(text,
                               "  growth      the guest would take %.1f MiB "
                               "more: what is filled in part becomes whole\n",
                               (double)report->growth_bytes / MIB);
    }
}

static void
add_mappers(GString *text, const GArray *mappers)
{
    for (guint i = 0; mappers && i < mappers->len; i++) {
        const MigrateSweepMapper *m =
            &g_array_index(mappers, MigrateSweepMapper, i);
        g_autofree char *comm = printable_line(m->comm);
        if (m->error) {
            g_autofree char *error = printable_line(m->error);
            g_string_append_printf(
                text, "  mapper      process %d (%s) was not swept: %s\n",
                (int)m->pid, comm, error);
            continue;
        }
        g_string_append_printf(text,
                               "  mapper      process %d (%s): %" PRIu64
                               " of %" PRIu64 " MiB huge\n",
                               (int)m->pid, comm, m->huge * 2,
                               m->extents * 2);
        add_outcomes(text, m->by_outcome);
    }
}

char *
migrate_sweep_report_to_text(const MigrateSweepReport *report)
{
    bool dry = g_str_equal(report->how, "dry-run");
    GString *text = g_string_new(NULL);
    g_autofree char *vm = printable_line(report->vm_name);
    g_autofree char *words = printable_line(report->words);
    g_string_append_printf(
        text,
        "collapse %s (process %d): %s\n"
        "  huge pages  %" PRIu64 " of %" PRIu64 " MiB that hold data (%.1f%%)",
        report->vm_name ? vm : "guest", (int)report->pid, words,
        report->before.huge * 2, report->before.populated * 2,
        sweep_report_percent(&report->before));
    if (dry) {
        g_string_append(text, "\n");
        add_guess(text, report);
    } else {
        g_string_append_printf(
            text, " before, %" PRIu64 " of %" PRIu64 " MiB (%.1f%%) now\n",
            report->after.huge * 2, report->after.populated * 2,
            sweep_report_percent(&report->after));
        add_sweep(text, report);
    }
    uint64_t shown[COLLAPSE_OUTCOMES];
    for (unsigned i = 0; i < COLLAPSE_OUTCOMES; i++) {
        shown[i] = dry && i == COLLAPSE_OUTCOME_WAITING
                       ? 0
                       : report->by_outcome[i];
    }
    add_outcomes(text, shown);
    if (report->cgroup) {
        g_autofree char *cgroup = printable_line(report->cgroup);
        g_string_append_printf(text, "              cgroup: %s\n", cgroup);
    }
    add_mappers(text, report->mappers);
    return g_string_free(text, false);
}

static void
put_count(JsonBuilder *json, const char *name, const CollapseCount *count)
{
    migrate_json_begin(json, name);
    migrate_json_int(json, "eligible_bytes", count->extents * EXTENT_BYTES);
    migrate_json_int(json, "populated_bytes", count->populated * EXTENT_BYTES);
    migrate_json_int(json, "huge_bytes", count->huge * EXTENT_BYTES);
    json_builder_end_object(json);
}

static void
put_outcomes(JsonBuilder *json, const uint64_t by_outcome[COLLAPSE_OUTCOMES])
{
    migrate_json_begin(json, "extents");
    for (unsigned i = 0; i < COLLAPSE_OUTCOMES; i++) {
        migrate_json_int(json, collapse_outcome_name(i), by_outcome[i]);
    }
    json_builder_end_object(json);
}

static void
put_mappers(JsonBuilder *json, const GArray *mappers)
{
    json_builder_set_member_name(json, "mappers");
    json_builder_begin_array(json);
    for (guint i = 0; mappers && i < mappers->len; i++) {
        const MigrateSweepMapper *m =
            &g_array_index(mappers, MigrateSweepMapper, i);
        json_builder_begin_object(json);
        migrate_json_int(json, "pid", (uint64_t)m->pid);
        migrate_json_text(json, "comm", m->comm);
        migrate_json_text(json, "error", m->error);
        migrate_json_int(json, "mapped_bytes", m->extents * EXTENT_BYTES);
        migrate_json_int(json, "huge_bytes", m->huge * EXTENT_BYTES);
        put_outcomes(json, m->by_outcome);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
put_all(JsonBuilder *json, const MigrateSweepReport *report)
{
    const CollapseResult *result = &report->result;
    migrate_json_int(json, "schema", SCHEMA);
    migrate_json_text(json, "verb", "collapse");
    migrate_json_text(json, "outcome", report->how);
    migrate_json_text(json, "reason", report->words);
    migrate_json_int(json, "pid", (uint64_t)report->pid);
    migrate_json_text(json, "vm", report->vm_name);
    json_builder_set_member_name(json, "duty");
    json_builder_add_double_value(json, report->duty);
    put_count(json, "before", &report->before);
    put_count(json, "after", &report->after);
    put_outcomes(json, report->by_outcome);
    migrate_json_int(json, "growth_bytes", report->growth_bytes);
    migrate_json_errors(json, "errors", &result->errors);
    migrate_json_number(json, "waited_ms", (double)report->waited_ns / 1e6);
    migrate_json_number(json, "sweep_ms", (double)result->elapsed_ns / 1e6);
    migrate_json_number(json, "call_ms", (double)result->call_ns / 1e6);
    migrate_json_number(json, "longest_call_ms",
                        (double)result->longest_call_ns / 1e6);
    migrate_json_number(json, "prefault_ms",
                        (double)result->prefault_ns / 1e6);
    migrate_json_int(json, "calls", result->calls);
    migrate_json_bool(json, "compacted", result->compacted);
    put_mappers(json, report->mappers);
}

char *
migrate_sweep_report_to_json(const MigrateSweepReport *report)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    put_all(json, report);
    json_builder_end_object(json);
    return migrate_json_finish(json, true);
}
