/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request to the kernel to compact this host's memory. On a large host it
 * takes minutes, and who asks is inside the kernel for so long; so a thread of
 * its own asks, at ordinary nice, and nobody has to wait for it: it looks after
 * itself, and the end of the process ends it (a fatal signal does: mm/
 * compaction.c, isolate_migratepages_block).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct CollapseCompact CollapseCompact;

/* NULL if we may not: /proc/sys of a container is read-only. */
CollapseCompact *collapse_compact_start(void);

/* The same by writing to PATH. */
CollapseCompact *collapse_compact_start_at(const char *path);

/* Any thread. */
bool collapse_compact_is_running(const CollapseCompact *compact);

/* Does not wait: what has been asked for goes on. NULL is none. */
void collapse_compact_free(CollapseCompact *compact);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapseCompact, collapse_compact_free)
