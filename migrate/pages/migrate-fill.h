/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One bulk thread of the destination: receives extents from its connection
 * straight into the page cache. Claims pages in small pieces just ahead of
 * their bytes, so that an urgent answer for a page further on is never kept
 * waiting by a slow stream.
 */
#pragma once

#include "migrate/core/migrate-alarm.h"
#include "migrate/pages/migrate-pages.h"
#include "wire/wire-link.h"

typedef struct MigrateFill MigrateFill;

/* Starts the thread; all borrowed. It ends at END or when the link breaks
 * (ALARM: PEER_GONE); the pages it had claimed then are ABSENT again. NULL if
 * no thread is to be had (ALARM: FAILED). */
MigrateFill *migrate_fill_start(WireLink *bulk, MigratePages *pages,
                                MigrateAlarm *alarm);

/* Adds the numbers of its counters so far; any thread. */
void migrate_fill_count(const MigrateFill *fill, MigrateTally *tally);

/* Shuts the link down if it is still at work, joins, merges its counters. */
void migrate_fill_stop(MigrateFill *fill, MigrateTally *tally);
