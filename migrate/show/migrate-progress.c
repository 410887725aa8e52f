/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The progress bar: see migrate-progress.h.
 */
#include "migrate/show/migrate-progress.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "migrate/show/migrate-bar.h"
#include "migrate/show/migrate-estimate.h"
#include "migrate/show/migrate-figures.h"

#define TERMINAL_MS 100
#define LOG_MS 1000
#define LOG_WAITING_NS (10 * UINT64_C(1000000000))

struct MigrateProgress {
    const MigrateSession *session;
    bool terminal;
    guint timer, resized;
    MigrateEstimate estimate;
    MigrateStageId last_stage;
    uint64_t stage_ns;  /* since when it is in there */
    uint64_t logged_ns; /* the last line of it */
};

static bool bar_is_shown;

void
migrate_progress_hide(void)
{
    if (bar_is_shown) {
        terminal_hide(STDERR_FILENO);
        bar_is_shown = false;
    }
}

static void
append_left(GString *text, const MigrateProgress *progress,
            const MigrateFigures *figures)
{
    uint64_t left = figures->total_pages - figures->present_pages;
    double seconds;
    if (progress->session->stage == MIGRATE_POSTCOPY &&
        migrate_estimate_left(&progress->estimate, left * 4096, &seconds)) {
        g_string_append_printf(text, ", %.1f s left", seconds);
    }
}

static double
progress_mib(uint64_t pages)
{
    return (double)pages * 4 / 1024;
}

/* While pages move. */
static void
fill_figures(const MigrateProgress *progress, const MigrateFigures *figures,
             MigrateBar *bar)
{
    bool send = progress->session->options.role == MIGRATE_SEND;
    GString *left = g_string_new(NULL);
    unsigned n = 0;
    append_left(left, progress, figures);
    bar->share = figures->total_pages ? (double)figures->present_pages /
                                            (double)figures->total_pages
                                      : 0;
    bar->fields[n++] = g_strdup_printf(
        "%.0f of %.0f MiB %s", progress_mib(figures->present_pages),
        progress_mib(figures->total_pages), send ? "delivered" : "here");
    if (g_str_has_prefix(left->str, ", ")) {
        bar->fields[n++] = g_strdup(left->str + 2);
    }
    g_string_free(left, true);
    bar->fields[n++] = g_strdup_printf("%.0f MB/s", progress->estimate.rate / 1e6);
    bar->fields[n++] = g_strdup_printf("%" PRIu64 " faults", figures->faults);
    if (!send) {
        bar->fields[n++] =
            g_strdup_printf("%" PRIu64 " MiB huge", figures->huge_extents * 2);
    }
}

static void
fill_prepare(const MigrateProgress *progress, const MigrateFigures *figures,
             MigrateBar *bar)
{
    if (figures->lay_extents == 0) {
        bar->fields[0] = g_strdup(
            progress->session->options.role == MIGRATE_SEND
                ? "the destination prepares its memory; the guest runs here"
                : "preparing this host's memory; the guest runs at the source");
        return;
    }
    bar->share = (double)figures->tried_extents / (double)figures->lay_extents;
    bar->fields[0] = g_strdup_printf(
        "laying huge pages: %" PRIu64 " of %" PRIu64 " MiB",
        figures->tried_extents * 2, figures->lay_extents * 2);
}

/* In words, where nothing moves that could be counted. */
static const char *
progress_doing(const MigrateSession *session)
{
    bool send = session->options.role == MIGRATE_SEND;
    switch (session->stage) {
    case MIGRATE_CONNECT:
        return send ? "waiting for the destination"
                    : "looking for the source";
    case MIGRATE_AGREE:
        return "comparing memory with the other host";
    case MIGRATE_WAIT:
        return !send                   ? "ready; waiting for the source"
               : session->options.wait ? "ready; waiting for SIGUSR1"
                                       : "ready";
    case MIGRATE_SWITCHOVER:
        return "the guest goes over";
    default:
        return "looking at the guest";
    }
}

static void
fill_bar(const MigrateProgress *progress, const MigrateFigures *figures,
         MigrateBar *bar)
{
    MigrateStageId stage = progress->session->stage;
    *bar = (MigrateBar){.stage = migrate_stage_id_name(stage), .share = -1};
    if (stage >= MIGRATE_POSTCOPY) {
        fill_figures(progress, figures, bar);
    } else if (stage == MIGRATE_PREPARE) {
        fill_prepare(progress, figures, bar);
    } else {
        bar->fields[0] = g_strdup(progress_doing(progress->session));
    }
    uint64_t waited_s = (fd_now_ns() - progress->stage_ns) / 1000000000;
    if (stage < MIGRATE_POSTCOPY && waited_s > 0) {
        bar->fields[1] = g_strdup_printf("%" PRIu64 " s so far", waited_s);
    }
}

static void
draw_bar(const MigrateBar *bar)
{
    g_autofree char *line =
        migrate_bar_line(bar, terminal_columns(STDERR_FILENO));
    terminal_show(STDERR_FILENO, line);
    bar_is_shown = true;
}

/* Without a terminal a line is worth it when pages move or the phase changed,
 * and now and then while one takes long. */
static void
log_line(MigrateProgress *progress, const MigrateBar *bar, bool changed)
{
    uint64_t now = fd_now_ns();
    if (changed || progress->session->stage == MIGRATE_POSTCOPY ||
        (progress->session->stage == MIGRATE_PREPARE &&
         now - progress->logged_ns >= LOG_WAITING_NS)) {
        g_autofree char *text = migrate_bar_text(bar);
        g_message("%s: %s", bar->stage, text);
        progress->logged_ns = now;
    }
}

static bool
note_stage(MigrateProgress *progress)
{
    MigrateStageId stage = progress->session->stage;
    bool changed = progress->stage_ns == 0 || stage != progress->last_stage;
    if (changed) {
        progress->last_stage = stage;
        progress->stage_ns = fd_now_ns();
    }
    return changed;
}

static gboolean
progress_tick(gpointer data)
{
    MigrateProgress *progress = data;
    MigrateFigures figures;
    migrate_figures_take(progress->session, &figures);
    migrate_estimate_update(&progress->estimate, fd_now_ns(), figures.bytes);
    if (!progress->session->guest.ram ||
        progress->session->stage == MIGRATE_OVER) {
        return G_SOURCE_CONTINUE;
    }
    MigrateBar bar;
    bool changed = note_stage(progress);
    fill_bar(progress, &figures, &bar);
    if (progress->terminal) {
        draw_bar(&bar);
    } else {
        log_line(progress, &bar, changed);
    }
    migrate_bar_clear(&bar);
    return G_SOURCE_CONTINUE;
}

MigrateProgress *
migrate_progress_new(const MigrateSession *session)
{
    MigrateProgress *progress = g_new0(MigrateProgress, 1);
    progress->session = session;
    progress->terminal = terminal_is(STDERR_FILENO);
    if (log_is_quiet()) {
        return progress;
    }
    progress->timer = g_timeout_add(progress->terminal ? TERMINAL_MS : LOG_MS,
                                    progress_tick, progress);
    /* Each drawing asks for the width; at once, that no line is left folded. */
    progress->resized = signals_watch(SIGWINCH, progress_tick, progress);
    return progress;
}

void
migrate_progress_free(MigrateProgress *progress)
{
    migrate_progress_hide();
    if (progress->timer) {
        g_source_remove(progress->timer);
    }
    if (progress->resized) {
        g_source_remove(progress->resized);
    }
    g_free(progress);
}
