/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No memory on the destination for a page of a small extent or a hole that the
 * guest touches: whether there is some, since when there is none, and saying
 * so. The kernel answers ENOSPC where the tmpfs is full, and ENOMEM now and
 * then, and then we wait. Where the host or QEMU's memory cgroup is full it does
 * not answer, but kills somebody, and QEMU is the largest: that is asked before.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "collapse/collapse-margin.h"

typedef struct {
    GMutex lock;
    CollapseMargin *margin;   /* NULL: no limit is known */
    uint64_t allowance_bytes; /* may be taken before the margin is read again */
    uint64_t refused_ns;      /* 0: never */
    uint64_t said_ns;
} MigrateShortage;

void migrate_shortage_init(MigrateShortage *shortage);
void migrate_shortage_clear(MigrateShortage *shortage);

/* From now on it minds MARGIN (taken over; NULL: none). Before the threads. */
void migrate_shortage_mind(MigrateShortage *shortage, CollapseMargin *margin);

/* True if the margin has room for one page more; it counts as taken. Any
 * thread. */
bool migrate_shortage_allows_page(MigrateShortage *shortage);

/* A page found no room in RAM block BLOCK: because of the margin, or else for
 * REASON. Said at most twice a minute, because it can last. Any thread. */
void migrate_shortage_note(MigrateShortage *shortage, const char *block,
                           const char *reason);

/* True if a page was refused just now. Any thread. */
bool migrate_shortage_lasts(MigrateShortage *shortage);
