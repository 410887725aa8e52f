/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asking for compaction: see collapse-compact.h.
 */
#include "collapse/collapse-compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"

/* Belongs to the thread and to who started it; the last one frees it. */
struct CollapseCompact {
    int file;
    atomic_bool over;
    atomic_uint owners;
};

static void
compact_unref(CollapseCompact *compact)
{
    if (atomic_fetch_sub(&compact->owners, 1) == 1) {
        fd_clear(&compact->file);
        g_free(compact);
    }
}

/* A thread is as nice as the one that made it, and that one sweeps: above
 * everybody else (migrate-priority.h), which this work is not worth. */
static gpointer
compact_thread(gpointer data)
{
    CollapseCompact *compact = data;
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, (id_t)getpid()));
    if (write(compact->file, "1", 1) < 0) {
        g_debug("no compaction: %s", g_strerror(errno));
    }
    compact->over = true;
    compact_unref(compact);
    return NULL;
}

CollapseCompact *
collapse_compact_start_at(const char *path)
{
    autofd file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return NULL;
    }
    CollapseCompact *compact = g_new0(CollapseCompact, 1);
    compact->file = fd_steal(&file);
    compact->owners = 2;
    GThread *thread =
        thread_try("compact", compact_thread, compact, NULL);
    if (!thread) {
        fd_clear(&compact->file);
        g_free(compact);
        return NULL;
    }
    g_thread_unref(thread);
    return compact;
}

/* Documentation/admin-guide/sysctl/vm.rst */
CollapseCompact *
collapse_compact_start(void)
{
    return collapse_compact_start_at("/proc/sys/vm/compact_memory");
}

bool
collapse_compact_is_running(const CollapseCompact *compact)
{
    return !compact->over;
}

void
collapse_compact_free(CollapseCompact *compact)
{
    if (compact) {
        compact_unref(compact);
    }
}
