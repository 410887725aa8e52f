/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line of --events-fd as its reader takes it: the other half of the format
 * that the writer's header describes. Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *stage; /* "inspect", "listening", ..., "over" */
    bool past_no_return;
    uint64_t present_pages, total_pages;
    int exit_status; /* of "over"; else -1 */
    char *reason;    /* of "over", or NULL */
    char *ended;     /* of "over": how the guest ended there, or NULL */
    char *report;    /* of "over": the report's JSON, or NULL */
} MigrateEventLine;

void migrate_event_line_clear(MigrateEventLine *line);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateEventLine, migrate_event_line_clear)

/* PROTOCOL if TEXT is no such line. Members it does not know are skipped. */
bool migrate_event_line_parse(const char *text, MigrateEventLine *line,
                              GError **error);
