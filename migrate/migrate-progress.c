/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The progress bar: see migrate-progress.h.
 */
#include "migrate/migrate-progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "migrate/migrate-estimate.h"
#include "migrate/migrate-figures.h"

#define BAR_CELLS 24
#define TERMINAL_MS 100
#define LOG_MS 1000

struct MigrateProgress {
    const MigrateSession *session;
    bool terminal;
    guint timer;
    MigrateEstimate estimate;
    MigrateStageId last_stage;
};

static bool bar_is_shown;

void
migrate_progress_hide(void)
{
    if (bar_is_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
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

static char *
describe(const MigrateProgress *progress, const MigrateFigures *figures)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(
        text, "%.0f of %.0f MiB here, %.0f MB/s, %" PRIu64 " faults",
        (double)figures->present_pages * 4 / 1024,
        (double)figures->total_pages * 4 / 1024, progress->estimate.rate / 1e6,
        figures->faults);
    if (progress->session->options.role == MIGRATE_RECEIVE) {
        g_string_append_printf(text, ", %" PRIu64 " MiB huge",
                               figures->huge_extents * 2);
    }
    append_left(text, progress, figures);
    return g_string_free(text, false);
}

static void
draw_bar(const MigrateProgress *progress, const MigrateFigures *figures)
{
    char bar[BAR_CELLS + 1];
    uint64_t full = figures->total_pages
                        ? figures->present_pages * BAR_CELLS /
                              figures->total_pages
                        : 0;
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', MIN(full, BAR_CELLS));
    bar[BAR_CELLS] = '\0';
    g_autofree char *text = describe(progress, figures);
    fprintf(stderr, "\r\033[K%-10s [%s] %s",
            migrate_stage_id_name(progress->session->stage), bar, text);
    fflush(stderr);
    bar_is_shown = true;
}

/* Without a terminal a line is worth it when pages move or the phase changed. */
static void
log_line(MigrateProgress *progress, const MigrateFigures *figures)
{
    MigrateStageId stage = progress->session->stage;
    if (stage == MIGRATE_POSTCOPY || stage != progress->last_stage) {
        g_autofree char *text = describe(progress, figures);
        g_message("%s: %s", migrate_stage_id_name(stage), text);
        progress->last_stage = stage;
    }
}

static gboolean
tick(gpointer data)
{
    MigrateProgress *progress = data;
    MigrateFigures figures;
    migrate_figures_take(progress->session, &figures);
    migrate_estimate_update(&progress->estimate, fd_now_ns(), figures.bytes);
    if (!progress->session->ram || progress->session->stage == MIGRATE_OVER) {
        return G_SOURCE_CONTINUE;
    }
    if (progress->terminal) {
        draw_bar(progress, &figures);
    } else {
        log_line(progress, &figures);
    }
    return G_SOURCE_CONTINUE;
}

MigrateProgress *
migrate_progress_new(const MigrateSession *session)
{
    MigrateProgress *progress = g_new0(MigrateProgress, 1);
    progress->session = session;
    progress->terminal = isatty(STDERR_FILENO);
    progress->timer = g_timeout_add(progress->terminal ? TERMINAL_MS : LOG_MS,
                                    tick, progress);
    return progress;
}

void
migrate_progress_free(MigrateProgress *progress)
{
    migrate_progress_hide();
    g_source_remove(progress->timer);
    g_free(progress);
}
