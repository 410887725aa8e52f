/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The thread that makes complete extents huge while the rest is still on its
 * way. One of its own, because a call can wait for every CPU (see
 * collapse_target_range), and neither a fault nor the stream may wait with it.
 */
#pragma once

#include "collapse/collapse-sweep.h"
#include "migrate/pages/migrate-pages.h"

typedef struct MigrateHuge MigrateHuge;

/* Starts the thread and has PAGES tell it of complete extents. Borrows both.
 * NULL if no thread is to be had (FAILED). */
MigrateHuge *migrate_huge_start(MigratePages *pages, CollapseTarget *target,
                                GError **error);

/* Waits until every extent that was complete has been tried, and joins. Calls
 * below work until _stop(), which frees it (and finishes it first). */
void migrate_huge_finish(MigrateHuge *huge);
void migrate_huge_stop(MigrateHuge *huge);

/* True once the kernel mapped it huge at our request; any thread. */
bool migrate_huge_is(const MigrateHuge *huge, unsigned block, uint32_t extent);

/* Extents made huge so far, and the time spent in the calls; any thread. */
uint64_t migrate_huge_extents(const MigrateHuge *huge);
uint64_t migrate_huge_ns(const MigrateHuge *huge);

/* CPU time of the thread, once it is finished: the rest of migrate_huge_ns()
 * was waiting for other CPUs. */
uint64_t migrate_huge_cpu_ns(const MigrateHuge *huge);
