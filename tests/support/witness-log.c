/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading the witness's lines. A line counts only if it is whole: it ends in
 * " ;", which is also what tells the last line of a file that is still being
 * written.
 */
#include "tests/support/witness-log.h"

#include <string.h>

#include "base/error.h"

/* The number after " NAME=" in LINE; false if there is none. */
static bool
read_field(const char *line, const char *name, uint64_t *value)
{
    g_autofree char *key = g_strdup_printf(" %s=", name);
    const char *at = strstr(line, key);
    if (!at) {
        return false;
    }
    at += strlen(key);
    char *end = NULL;
    *value = g_ascii_strtoull(at, &end, 10);
    return end != at && *end == ' ';
}

static bool
parse_beat(const char *line, WitnessBeat *beat)
{
    const struct {
        const char *name;
        uint64_t *value;
    } fields[] = {
        {"n", &beat->line},         {"ms", &beat->ms},
        {"acc", &beat->accesses},   {"slow", &beat->slow},
        {"mean", &beat->mean_us},   {"max", &beat->max_us},
        {"stall", &beat->stalled_us}, {"top", &beat->top_us},
        {"next", &beat->next_us},   {"wrong", &beat->wrong},
        {"scans", &beat->scans},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!read_field(line, fields[i].name, fields[i].value)) {
            return false;
        }
    }
    return true;
}

static void
add_beat(WitnessLog *log, const char *line)
{
    WitnessBeat beat = {0};
    if (!parse_beat(line, &beat)) {
        return;
    }
    /* Buckets are printed only when they have changed. */
    const WitnessBeat *last = witness_log_last(log);
    if (last) {
        memcpy(beat.buckets, last->buckets, sizeof(beat.buckets));
    }
    g_array_append_val(log->beats, beat);
}

/* "hist n=12 31:4 35:1 ;" belongs to the beat just read. */
static void
add_histogram(WitnessLog *log, const char *line)
{
    uint64_t n;
    if (log->beats->len == 0 || !read_field(line, "n", &n)) {
        return;
    }
    WitnessBeat *beat = &g_array_index(log->beats, WitnessBeat,
                                       log->beats->len - 1);
    if (beat->line != n) {
        return;
    }
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    for (char **word = words; *word; word++) {
        char *colon = strchr(*word, ':');
        uint64_t index;
        if (!colon) {
            continue;
        }
        *colon = '\0';
        if (g_ascii_string_to_unsigned(*word, 10, 0, WITNESS_LOG_BUCKETS - 1,
                                       &index, NULL)) {
            beat->buckets[index] = g_ascii_strtoull(colon + 1, NULL, 10);
        }
    }
}

static void
add_line(WitnessLog *log, const char *line)
{
    /* No terminator on these two: they are too important to be torn, and too
     * early or too rare for a seam. */
    if (g_str_has_prefix(line, "WRONG ")) {
        g_ptr_array_add(log->wrong, g_strdup(line));
        return;
    }
    if (strstr(line, "FATAL ") && !log->fatal) {
        log->fatal = g_strdup(line);
        return;
    }
    if (!g_str_has_suffix(line, " ;")) {
        return;
    }
    if (g_str_has_prefix(line, "beat ")) {
        add_beat(log, line);
    } else if (g_str_has_prefix(line, "hist ")) {
        add_histogram(log, line);
    } else if (g_str_has_prefix(line, "holes ")) {
        log->holes = true;
    } else if (g_str_has_prefix(line, "ready ")) {
        log->ready = read_field(line, "ticks_per_us", &log->ticks_per_us) &&
                     read_field(line, "fill_ms", &log->fill_ms) &&
                     read_field(line, "pages", &log->pages) &&
                     read_field(line, "area", &log->area_gpa);
    }
}

WitnessLog *
witness_log_parse(const char *text)
{
    WitnessLog *log = g_new0(WitnessLog, 1);
    log->beats = g_array_new(FALSE, FALSE, sizeof(WitnessBeat));
    log->wrong = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        add_line(log, g_strchomp(*line));
    }
    return log;
}

WitnessLog *
witness_log_read(const char *const *paths, GError **error)
{
    g_autoptr(GString) all = g_string_new(NULL);
    for (; *paths; paths++) {
        g_autofree char *text = NULL;
        gsize bytes;
        if (!g_file_get_contents(*paths, &text, &bytes, error)) {
            g_prefix_error(error, "cannot read the witness's log: ");
            return NULL;
        }
        g_string_append_len(all, text, (gssize)bytes);
    }
    return witness_log_parse(all->str);
}

void
witness_log_free(WitnessLog *log)
{
    if (!log) {
        return;
    }
    g_array_unref(log->beats);
    g_ptr_array_unref(log->wrong);
    g_free(log->fatal);
    g_free(log);
}

const WitnessBeat *
witness_log_last(const WitnessLog *log)
{
    return log->beats->len == 0 ? NULL
                                : &g_array_index(log->beats, WitnessBeat,
                                                 log->beats->len - 1);
}

const WitnessBeat *
witness_log_at(const WitnessLog *log, uint64_t ms)
{
    for (guint i = 0; i < log->beats->len; i++) {
        const WitnessBeat *beat = &g_array_index(log->beats, WitnessBeat, i);
        if (beat->ms >= ms) {
            return beat;
        }
    }
    return NULL;
}

static void
note_longest(WitnessDelta *delta, uint64_t us)
{
    if (us > delta->max_us) {
        delta->next_us = delta->max_us;
        delta->max_us = us;
    } else if (us > delta->next_us) {
        delta->next_us = us;
    }
}

void
witness_log_delta(const WitnessLog *log, const WitnessBeat *from,
                  const WitnessBeat *to, WitnessDelta *delta)
{
    static const WitnessBeat start;
    const WitnessBeat *old = from ? from : &start;
    *delta = (WitnessDelta){
        .ms = to->ms - old->ms,
        .accesses = to->accesses - old->accesses,
        .slow = to->slow - old->slow,
        .stalled_us = to->stalled_us - old->stalled_us,
        .wrong = to->wrong - old->wrong,
        .scans = to->scans - old->scans,
    };
    for (int i = 0; i < WITNESS_LOG_BUCKETS; i++) {
        delta->buckets[i] = to->buckets[i] - old->buckets[i];
    }
    for (guint i = 0; i < log->beats->len; i++) {
        const WitnessBeat *beat = &g_array_index(log->beats, WitnessBeat, i);
        if (beat->line > old->line && beat->line <= to->line) {
            note_longest(delta, beat->top_us);
            note_longest(delta, beat->next_us);
        }
    }
}

uint64_t
witness_delta_mean_us(const WitnessDelta *delta)
{
    return delta->slow ? delta->stalled_us / delta->slow : 0;
}

uint64_t
witness_buckets_quantile_us(const uint64_t *buckets, double fraction)
{
    uint64_t total = 0;
    for (int i = 0; i < WITNESS_LOG_BUCKETS; i++) {
        total += buckets[i];
    }
    uint64_t below = 0;
    for (int i = 0; i < WITNESS_LOG_BUCKETS; i++) {
        below += buckets[i];
        if (buckets[i] && (double)below >= fraction * (double)total) {
            /* Bucket i: [4 + i%4, 5 + i%4) quarters of 2^(i/4) µs. */
            return (((uint64_t)(5 + i % 4) << (i / 4)) + 3) / 4;
        }
    }
    return 0;
}
