/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Figures to JSON and to text: see migrate-summary.h.
 */
#include "migrate/show/migrate-summary.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "migrate/core/migrate-json.h"

#define SCHEMA 1

static double
between_ms(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

/* What a helper that was killed did not record is not known. */
static bool
is_known(const MigrateReport *report, uint64_t from_ns, uint64_t to_ns)
{
    return report->takeovers == 0 || (from_ns && to_ns);
}

static double
prepare_ms(const MigrateReport *report)
{
    return between_ms(report->started_ns, report->armed_ns);
}

static double
postcopy_ms(const MigrateReport *report)
{
    return between_ms(report->switched_ns, report->arrived_ns);
}

/* From the agreement of both sides to the last page, without the time that
 * the operator let pass. */
static double
total_ms(const MigrateReport *report)
{
    double whole = between_ms(report->started_ns, report->arrived_ns);
    return whole - MIN(whole, (double)report->waited_ns / 1e6);
}

static double
summary_throughput(const MigrateReport *report)
{
    double ms = postcopy_ms(report);
    uint64_t bytes = MAX(report->bytes_received, report->bytes_sent);
    return ms > 0 ? (double)bytes / ms * 1000 : 0;
}

typedef struct {
    double cpu_ms;
    uint64_t max_rss_kib;
} Helper;

/* WHO: RUSAGE_SELF, or RUSAGE_CHILDREN for the child that lays the folios. */
static Helper
usage_of(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    double us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return (Helper){.cpu_ms = us / 1000,
                    .max_rss_kib = (uint64_t)usage.ru_maxrss};
}

static Helper
helper_now(void)
{
    Helper self = usage_of(RUSAGE_SELF), child = usage_of(RUSAGE_CHILDREN);
    return (Helper){.cpu_ms = self.cpu_ms + child.cpu_ms,
                    .max_rss_kib = MAX(self.max_rss_kib, child.max_rss_kib)};
}

static void
put_latency(JsonBuilder *json, const Histogram *h)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {
        {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    migrate_json_begin(json, "fault_latency_us");
    migrate_json_int(json, "count", h->count);
    migrate_json_number(json, "mean", (double)histogram_mean_ns(h) / 1000);
    for (unsigned i = 0; i < G_N_ELEMENTS(quantiles); i++) {
        migrate_json_number(json, quantiles[i].name,
                   (double)histogram_quantile_ns(h, quantiles[i].fraction) /
                       1000);
    }
    migrate_json_number(json, "max", (double)h->max_ns / 1000);
    json_builder_end_object(json);
}

static void
put_huge(JsonBuilder *json, const MigrateReport *report)
{
    migrate_json_begin(json, "huge");
    migrate_json_int(json, "eligible_bytes", report->huge.eligible_bytes);
    migrate_json_int(json, "before_bytes", report->huge.before_bytes);
    migrate_json_int(json, "after_bytes", report->huge.after_bytes);
    migrate_json_int(json, "laid_extents", report->huge.laid_extents);
    migrate_json_int(json, "small_extents", report->huge.small_extents);
    migrate_json_number(json, "lay_ms", (double)report->huge.lay_ns / 1e6);
    migrate_json_number(json, "sweep_ms", (double)report->huge.sweep_ns / 1e6);
    migrate_json_number(json, "sweep_cpu_ms",
               (double)report->huge.sweep_cpu_ns / 1e6);
    migrate_json_errors(json, "failed", &report->huge.failed);
    json_builder_end_object(json);
}

static void
put_unknown(JsonBuilder *json, const char *name)
{
    json_builder_set_member_name(json, name);
    json_builder_add_null_value(json);
}

static void
put_ms(JsonBuilder *json, const char *name, bool known, double ms)
{
    if (known) {
        migrate_json_number(json, name, ms);
    } else {
        put_unknown(json, name);
    }
}

static void
put_times(JsonBuilder *json, const MigrateReport *r)
{
    put_ms(json, "downtime_ms", !r->downtime_unknown, r->downtime_ms);
    put_ms(json, "prepare_ms", is_known(r, r->started_ns, r->armed_ns),
           prepare_ms(r));
    put_ms(json, "postcopy_ms", is_known(r, r->switched_ns, r->arrived_ns),
           postcopy_ms(r));
    put_ms(json, "total_ms", is_known(r, r->started_ns, r->arrived_ns),
           total_ms(r));
}

static void
put_head(JsonBuilder *json, const MigrateReport *report)
{
    migrate_json_int(json, "schema", SCHEMA);
    migrate_json_text(json, "role", report->role);
    migrate_json_text(json, "outcome", report->outcome);
    if (report->reason) {
        migrate_json_text(json, "reason", report->reason);
    }
    if (report->ended) {
        migrate_json_text(json, "ended", report->ended);
    }
    migrate_json_begin(json, "vm");
    migrate_json_text(json, "name", report->vm_name);
    migrate_json_text(json, "uuid", report->vm_uuid);
    migrate_json_int(json, "ram_bytes", report->ram_bytes);
    json_builder_end_object(json);
    migrate_json_bool(json, "source_ran", report->source_ran);
    migrate_json_int(json, "takeovers", report->takeovers);
    put_times(json, report);
}

static void
put_pages(JsonBuilder *json, const MigrateReport *report)
{
    migrate_json_begin(json, "pages");
    migrate_json_int(json, "total", report->pages.total);
    migrate_json_int(json, "demand", report->pages.demand);
    migrate_json_int(json, "pushed", report->pages.pushed);
    if (report->pages.zero_unknown) {
        put_unknown(json, "zero");
    } else {
        migrate_json_int(json, "zero", report->pages.zero);
    }
    migrate_json_int(json, "unknown", report->pages.unknown);
    migrate_json_int(json, "duplicate", report->pages.duplicate);
    migrate_json_int(json, "discarded", report->pages.discarded);
    json_builder_end_object(json);
}

char *
migrate_summary_to_json(const MigrateReport *report)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    Helper helper = helper_now();
    json_builder_begin_object(json);
    put_head(json, report);
    put_pages(json, report);
    put_latency(json, &report->fault_latency);
    migrate_json_int(json, "bytes_received", report->bytes_received);
    migrate_json_int(json, "bytes_sent", report->bytes_sent);
    migrate_json_int(json, "device_bytes", report->device_bytes);
    if (is_known(report, report->switched_ns, report->arrived_ns)) {
        migrate_json_int(json, "throughput_bytes_per_s",
                         (uint64_t)summary_throughput(report));
    } else {
        put_unknown(json, "throughput_bytes_per_s");
    }
    put_huge(json, report);
    migrate_json_begin(json, "helper");
    migrate_json_number(json, "cpu_ms", helper.cpu_ms);
    migrate_json_int(json, "max_rss_kib", helper.max_rss_kib);
    json_builder_end_object(json);
    json_builder_end_object(json);
    return migrate_json_finish(json, true);
}

static void
add_ms(GString *text, const char *what, int digits, bool known, double ms)
{
    if (known) {
        g_string_append_printf(text, "%s %.*f ms", what, digits, ms);
    } else {
        g_string_append_printf(text, "%s an unknown time", what);
    }
}

static void
add_times(GString *text, const MigrateReport *r)
{
    add_ms(text, "  time      ", 0, is_known(r, r->started_ns, r->arrived_ns),
           total_ms(r));
    add_ms(text, " in all: prepared in", 0,
           is_known(r, r->started_ns, r->armed_ns), prepare_ms(r));
    add_ms(text, ", down for", 1, !r->downtime_unknown, r->downtime_ms);
    add_ms(text, ", postcopy", 0,
           is_known(r, r->switched_ns, r->arrived_ns), postcopy_ms(r));
    g_string_append_c(text, '\n');
}

static void
add_pages(GString *text, const MigrateReport *report)
{
    g_string_append_printf(text,
                           "  pages      %" PRIu64 ": %" PRIu64
                           " on demand, %" PRIu64 " pushed, ",
                           report->pages.total, report->pages.demand,
                           report->pages.pushed);
    if (report->pages.zero_unknown) {
        g_string_append(text, "the others zero or sent without a record\n");
    } else {
        g_string_append_printf(text, "%" PRIu64 " zero\n",
                               report->pages.zero);
    }
}

static void
add_takeovers(GString *text, const MigrateReport *report)
{
    if (report->takeovers == 0) {
        return;
    }
    g_string_append_printf(text, "  taken over %" PRIu64 " time%s",
                           report->takeovers,
                           report->takeovers == 1 ? "" : "s");
    if (report->pages.unknown > 0) {
        g_string_append_printf(text, "; %" PRIu64 " pages came in a way that "
                               "was not recorded", report->pages.unknown);
    }
    g_string_append_c(text, '\n');
}

static void
add_destination_text(GString *text, const MigrateReport *report)
{
    const Histogram *h = &report->fault_latency;
    g_string_append_printf(
        text,
        "  faults     %" PRIu64 "%s, each answered in %.0f us (mean), %.0f us "
        "(p99), %.0f us (worst)\n",
        h->count, report->takeovers ? " since then" : "",
        (double)histogram_mean_ns(h) / 1000,
        (double)histogram_quantile_ns(h, 0.99) / 1000,
        (double)h->max_ns / 1000);
    double eligible = (double)report->huge.eligible_bytes;
    g_string_append_printf(
        text,
        "  huge pages %" PRIu64 " of %" PRIu64 " MiB (%.1f%%), %" PRIu64
        " extents born huge, %" PRIu64 " small, swept in %.1f ms\n",
        report->huge.after_bytes >> 20, report->huge.eligible_bytes >> 20,
        eligible > 0 ? (double)report->huge.after_bytes * 100 / eligible : 0,
        report->huge.laid_extents, report->huge.small_extents,
        (double)report->huge.sweep_ns / 1e6);
    for (unsigned i = 0; i < G_N_ELEMENTS(report->huge.failed.kinds); i++) {
        if (report->huge.failed.kinds[i].count > 0) {
            g_string_append_printf(
                text, "             %s: %" PRIu64 " extents\n",
                error_errno_name(report->huge.failed.kinds[i].errnum),
                report->huge.failed.kinds[i].count);
        }
    }
}

char *
migrate_summary_to_text(const MigrateReport *report)
{
    GString *text = g_string_new(NULL);
    Helper helper = helper_now();
    g_autofree char *vm = printable_line(report->vm_name);
    g_autofree char *reason = printable_line(report->reason);
    g_string_append_printf(text, "%s %s: %s%s%s\n", report->role,
                           *vm ? vm : "(unnamed guest)", report->outcome,
                           *reason ? ": " : "", reason);
    if (report->source_ran) {
        g_string_append_printf(text, "  WARNING    %s\n",
                               MIGRATE_REPORT_RAN_TWICE);
    }
    if (strcmp(report->outcome, "completed") != 0) {
        return g_string_free(text, false);
    }
    add_times(text, report);
    add_pages(text, report);
    g_string_append_printf(
        text, "  network    %.1f MiB",
        (double)MAX(report->bytes_received, report->bytes_sent) / 1048576);
    if (is_known(report, report->switched_ns, report->arrived_ns)) {
        g_string_append_printf(text, ", %.1f MB/s in postcopy",
                               summary_throughput(report) / 1e6);
    }
    g_string_append_c(text, '\n');
    add_takeovers(text, report);
    if (strcmp(report->role, "receive") == 0) {
        add_destination_text(text, report);
    }
    g_string_append_printf(text, "  helper     %.0f ms of CPU, %.1f MiB\n",
                           helper.cpu_ms, (double)helper.max_rss_kib / 1024);
    return g_string_free(text, false);
}

bool
migrate_summary_write_to(const MigrateReport *report, int file, GError **error)
{
    g_autofree char *json = migrate_summary_to_json(report);
    size_t bytes = strlen(json);
    if ((ftruncate(file, 0) < 0 && errno != EINVAL) || /* no regular file */
        !fd_write_all(file, json, bytes, 0, error)) {
        g_prefix_error(error, "cannot write the report: ");
        return false;
    }
    return true;
}

bool
migrate_summary_write(const MigrateReport *report, const char *path,
                     GError **error)
{
    g_autofree char *json = migrate_summary_to_json(report);
    g_autoptr(GError) why = NULL;
    if (!g_file_set_contents(path, json, -1, &why)) {
        return error_set(error, ERROR_FAILED, "cannot write the report: %s",
                         why->message);
    }
    return true;
}
