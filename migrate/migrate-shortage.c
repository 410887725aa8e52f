/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No memory for the guest: see migrate-shortage.h.
 */
#include "migrate/migrate-shortage.h"

#include "base/fd.h"
#include "base/range.h"

/* For QEMU's own needs, and for what the kernel charges beside the pages. */
#define RESERVE_BYTES (UINT64_C(4) << 20)
/* Taken before the margin is read anew; near the limit by halves, because QEMU
 * and the other bulk connections' page tables take from it too. */
#define ALLOWANCE_BYTES (UINT64_C(8) << 20)
#define SAY_AGAIN_NS UINT64_C(30000000000)
/* Who waits for room tries again ten times in that. */
#define LASTS_NS UINT64_C(1000000000)

void
migrate_shortage_init(MigrateShortage *shortage)
{
    *shortage = (MigrateShortage){0};
    g_mutex_init(&shortage->lock);
}

void
migrate_shortage_clear(MigrateShortage *shortage)
{
    g_clear_pointer(&shortage->margin, collapse_margin_free);
    g_mutex_clear(&shortage->lock);
}

void
migrate_shortage_mind(MigrateShortage *shortage, CollapseMargin *margin)
{
    g_clear_pointer(&shortage->margin, collapse_margin_free);
    shortage->margin = margin;
}

static uint64_t
read_allowance(const CollapseMargin *margin)
{
    uint64_t bytes = collapse_margin_bytes(margin);
    uint64_t left = bytes > RESERVE_BYTES ? bytes - RESERVE_BYTES : 0;
    uint64_t some = MIN(MAX(left / 2, PAGE_BYTES), ALLOWANCE_BYTES);
    return MIN(left, some);
}

bool
migrate_shortage_allows_page(MigrateShortage *shortage)
{
    if (!shortage->margin) {
        return true;
    }
    g_mutex_lock(&shortage->lock);
    if (shortage->allowance_bytes < PAGE_BYTES) {
        shortage->allowance_bytes = read_allowance(shortage->margin);
    }
    bool allowed = shortage->allowance_bytes >= PAGE_BYTES;
    if (allowed) {
        shortage->allowance_bytes -= PAGE_BYTES;
    }
    g_mutex_unlock(&shortage->lock);
    return allowed;
}

void
migrate_shortage_note(MigrateShortage *shortage, const char *block,
                      const char *reason)
{
    g_mutex_lock(&shortage->lock);
    uint64_t now = fd_now_ns();
    bool say = !shortage->said_ns || now - shortage->said_ns > SAY_AGAIN_NS;
    shortage->refused_ns = now;
    shortage->said_ns = say ? now : shortage->said_ns;
    bool limit = shortage->margin && shortage->allowance_bytes < PAGE_BYTES;
    g_mutex_unlock(&shortage->lock);
    if (say) {
        g_warning("no memory for RAM block '%s' on this host (%s): the guest "
                  "waits; free memory or raise QEMU's cgroup limit",
                  block, limit ? "the host or QEMU's memory cgroup is full"
                               : reason);
    }
}

bool
migrate_shortage_lasts(MigrateShortage *shortage)
{
    g_mutex_lock(&shortage->lock);
    bool lasts = shortage->refused_ns &&
                 fd_now_ns() - shortage->refused_ns < LASTS_NS;
    g_mutex_unlock(&shortage->lock);
    return lasts;
}
