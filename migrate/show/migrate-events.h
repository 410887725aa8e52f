/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --events-fd: what a program that started us reads to know where we are. One
 * JSON object a line, in the order of what happens:
 *
 *   {"stage":WORD,"past_no_return":B,"present_pages":N,"total_pages":N}
 *   {"stage":"listening",...,"address":"HOST:PORT"}
 *   {"stage":"over","exit":N,"reason":TEXT,"report":{...}}     the last line
 *
 * Words, as far as a run gets: inspect, connect, listening (send), agree,
 * prepare, armed, wait, switchover, ready (QEMU may be told to migrate now),
 * stopped (the guest stands still, pages are served), completed (the point of
 * no return, with --follow), running (the guest runs at the destination),
 * postcopy (again up to five times a second while pages move), settle, over.
 * A reader must skip words and members it does not know.
 *
 * The reader is never waited for: when the pipe is full a line is dropped, and
 * a reader that is gone does no harm. Only the last line waits, 5 s.
 * Main thread.
 */
#pragma once

#include "migrate/session/migrate-session.h"

typedef struct MigrateEvents MigrateEvents;

/* Follows SESSION until it is freed; NULL if its options name no descriptor. */
MigrateEvents *migrate_events_new(MigrateSession *session);
void migrate_events_free(MigrateEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateEvents, migrate_events_free)

/* The last line. EVENTS may be NULL. */
void migrate_events_over(MigrateEvents *events, int exit_status);
