/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stretches of the witness's log: see bench-guest.h.
 */
#include "tests/bench/bench-guest.h"

#include "base/error.h"
#include "base/fd.h"

#define BEAT_TIMEOUT_MS 20000

bool
bench_guest_now(VmQemu *vm, uint64_t *line, GError **error)
{
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) log = witness_log_read(paths, error);
    const WitnessBeat *last = log ? witness_log_last(log) : NULL;
    if (last) {
        *line = last->line;
    } else if (log) {
        return error_set(error, ERROR_STATE, "the witness has printed nothing");
    }
    return last != NULL;
}

bool
bench_guest_next(VmPair *pair, uint64_t *line, uint64_t *wrong, GError **error)
{
    uint64_t deadline = fd_deadline_ns(BEAT_TIMEOUT_MS);
    uint64_t known = 0;
    for (bool first = true;; first = false) {
        g_autoptr(WitnessLog) log = vm_pair_witness(pair, error);
        const WitnessBeat *last = log ? witness_log_last(log) : NULL;
        if (!last) {
            return log ? error_set(error, ERROR_STATE,
                                   "the witness has printed nothing")
                       : false;
        }
        if (first) {
            known = last->line;
        } else if (last->line > known) {
            *line = last->line;
            *wrong = last->wrong;
            return true;
        }
        if (fd_now_ns() > deadline) {
            return error_set(error, ERROR_RETRY,
                             "the witness prints nothing any more after beat "
                             "%" G_GUINT64_FORMAT, known);
        }
        g_usleep(10000);
    }
}

/* Looked up when all is over: while a beat is the newest, the histogram that
 * belongs to it may not have been printed yet. */
static const WitnessBeat *
find(const WitnessLog *log, uint64_t line)
{
    for (guint i = 0; i < log->beats->len; i++) {
        const WitnessBeat *beat = &g_array_index(log->beats, WitnessBeat, i);
        if (beat->line >= line) {
            return beat;
        }
    }
    return witness_log_last(log);
}

static void
measure(const WitnessLog *log, uint64_t from, uint64_t to, WitnessDelta *delta)
{
    witness_log_delta(log, find(log, from), find(log, to), delta);
}

static void
take_longest_out(WitnessDelta *delta)
{
    delta->slow--;
    delta->stalled_us -= delta->max_us;
    delta->max_us = delta->next_us;
    for (int i = WITNESS_LOG_BUCKETS - 1; i >= 0; i--) {
        if (delta->buckets[i]) {
            delta->buckets[i]--;
            return;
        }
    }
}

/* The switchover, if the longest access of all is also the longest of the
 * first line on the destination, and as long as half the downtime. */
static bool
take_switchover_out(const WitnessLog *log, const BenchRun *run,
                    WitnessDelta *delta)
{
    double downtime_us = (double)(run->resume_us - run->stop_us);
    const WitnessBeat *first = find(log, run->missing_from + 1);
    if (delta->slow == 0 || first->top_us != delta->max_us ||
        (double)delta->max_us < downtime_us / 2) {
        return false;
    }
    take_longest_out(delta);
    return true;
}

static void
put(JsonBuilder *json, const char *name, uint64_t value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, (gint64)value);
}

static void
put_stretch(JsonBuilder *json, const char *name, const WitnessDelta *delta,
            bool switchover_taken_out)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    put(json, "guest_ms", delta->ms);
    put(json, "accesses", delta->accesses);
    put(json, "slow", delta->slow);
    put(json, "mean_us", witness_delta_mean_us(delta));
    put(json, "p50_us", witness_buckets_quantile_us(delta->buckets, 0.5));
    put(json, "p99_us", witness_buckets_quantile_us(delta->buckets, 0.99));
    put(json, "worst_us", delta->max_us);
    put(json, "stalled_us", delta->stalled_us);
    json_builder_set_member_name(json, "switchover_taken_out");
    json_builder_add_boolean_value(json, switchover_taken_out);
    json_builder_end_object(json);
}

static void
say_stretch(GString *line, const WitnessDelta *delta)
{
    g_string_append_printf(
        line,
        "%" G_GUINT64_FORMAT " stalls, mean %" G_GUINT64_FORMAT
        " p99 %" G_GUINT64_FORMAT " worst %" G_GUINT64_FORMAT
        " us, waited %.0f ms",
        delta->slow, witness_delta_mean_us(delta),
        witness_buckets_quantile_us(delta->buckets, 0.99), delta->max_us,
        (double)delta->stalled_us / 1e3);
}

bool
bench_guest_put_lines(VmPair *pair, const char *name, uint64_t from,
                      uint64_t to, JsonBuilder *json, GString *line,
                      GError **error)
{
    g_autoptr(WitnessLog) log = vm_pair_witness(pair, error);
    if (!log || !witness_log_last(log)) {
        return log && error_set(error, ERROR_STATE,
                                "the witness has printed nothing");
    }
    WitnessDelta delta;
    measure(log, from, to, &delta);
    put_stretch(json, name, &delta, false);
    if (line) {
        say_stretch(line, &delta);
    }
    return true;
}

/* Ends at RUN's baseline_to and is as long as LENGTH_MS; shorter if the guest
 * did not run that long before. */
static void
put_baseline(JsonBuilder *json, const WitnessLog *log, const BenchRun *run,
             uint64_t length_ms)
{
    const WitnessBeat *to = find(log, run->baseline_to);
    uint64_t from_ms = to->ms > length_ms ? to->ms - length_ms : 0;
    const WitnessBeat *from = witness_log_at(log, from_ms);
    WitnessDelta delta;
    witness_log_delta(log, from, to, &delta);
    put_stretch(json, "baseline", &delta, false);
}

bool
bench_guest_put(VmPair *pair, const BenchRun *run, bool kvm, JsonBuilder *json,
                GString *line, GError **error)
{
    g_autoptr(WitnessLog) log = vm_pair_witness(pair, error);
    if (!log || !witness_log_last(log)) {
        return log && error_set(error, ERROR_STATE,
                                "the witness has printed nothing");
    }
    WitnessDelta missing, whole;
    measure(log, run->missing_from, run->missing_to, &missing);
    measure(log, run->before, run->missing_to, &whole);
    bool out = kvm && take_switchover_out(log, run, &missing);
    bool whole_out = kvm && take_switchover_out(log, run, &whole);
    put_baseline(json, log, run, missing.ms);
    put_stretch(json, "whole", &whole, whole_out);
    put_stretch(json, "missing", &missing, out);
    say_stretch(line, &missing);
    return true;
}
