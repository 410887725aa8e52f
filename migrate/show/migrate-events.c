/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stage changes as JSON lines: see migrate-events.h.
 */
#include "migrate/show/migrate-events.h"

#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "migrate/core/migrate-json.h"
#include "migrate/show/migrate-figures.h"
#include "migrate/show/migrate-summary.h"

#define PROGRESS_MS 200
#define LAST_MS 5000

struct MigrateEvents {
    MigrateSession *session;
    int fd;
    guint timer;
};

static JsonBuilder *
events_begin(const MigrateSession *session, const char *stage)
{
    MigrateFigures figures;
    migrate_figures_take(session, &figures);
    JsonBuilder *json = json_builder_new();
    json_builder_begin_object(json);
    migrate_json_text(json, "stage", stage);
    migrate_json_bool(json, "past_no_return", session->past_no_return);
    migrate_json_int(json, "present_pages", figures.present_pages);
    migrate_json_int(json, "total_pages", figures.total_pages);
    return json;
}

static char *
events_finish(JsonBuilder *json)
{
    json_builder_end_object(json);
    g_autofree char *text = migrate_json_finish(json, false);
    return g_strconcat(text, "\n", NULL);
}

/* A pipe takes such a line whole or not at all (PIPE_BUF). */
static void
on_step(MigrateSession *session, const char *word, gpointer data)
{
    const MigrateEvents *events = data;
    g_autoptr(JsonBuilder) json = events_begin(session, word);
    if (g_str_equal(word, "listening")) {
        migrate_json_text(json, "address", session->options.address);
    }
    g_autofree char *line = events_finish(json);
    ssize_t ignored = write(events->fd, line, strlen(line));
    (void)ignored;
}

static gboolean
on_tick(gpointer data)
{
    MigrateEvents *events = data;
    if (events->session->stage == MIGRATE_POSTCOPY) {
        on_step(events->session, "postcopy", events);
    }
    return G_SOURCE_CONTINUE;
}

MigrateEvents *
migrate_events_new(MigrateSession *session)
{
    int fd = session->options.events_fd;
    if (fd <= 0) {
        return NULL;
    }
    MigrateEvents *events = g_new0(MigrateEvents, 1);
    events->session = session;
    events->fd = fd;
    fd_set_nonblocking(fd, true, NULL);
    session->operator.on_step = on_step;
    session->operator.on_step_data = events;
    events->timer = g_timeout_add(PROGRESS_MS, on_tick, events);
    return events;
}

void
migrate_events_free(MigrateEvents *events)
{
    events->session->operator.on_step = NULL;
    g_source_remove(events->timer);
    g_free(events);
}

void
migrate_events_over(MigrateEvents *events, int exit_status)
{
    if (!events) {
        return;
    }
    const MigrateReport *report = &events->session->report;
    g_autoptr(JsonBuilder) json = events_begin(events->session, "over");
    migrate_json_int(json, "exit", (uint64_t)exit_status);
    migrate_json_text(json, "reason", report->reason);
    if (report->ended) {
        migrate_json_text(json, "ended", report->ended);
    }
    json_builder_set_member_name(json, "report");
    g_autofree char *text = migrate_summary_to_json(report);
    json_builder_add_value(json, json_from_string(text, NULL));
    g_autofree char *line = events_finish(json);
    fd_write_all(events->fd, line, strlen(line), fd_deadline_ns(LAST_MS),
                 NULL);
}
