/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sweeping other mappers: see migrate-mappers.h.
 */
#include "migrate/sweep/migrate-mappers.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "collapse/collapse-kernel.h"

/* A process that only installs entries does it for sixteen at a time: what a
 * call costs is the draining of all CPUs (collapse-sweep.h), not the entry. */
#define TOGETHER 16

static bool
is_same_file(const CollapseArea *area, const ProcMapping *mapping)
{
    return area->inode && area->inode == mapping->inode &&
           area->dev_major == mapping->dev_major &&
           area->dev_minor == mapping->dev_minor;
}

/* The guest's extent behind OFFSET of the file that AREA maps, or NULL. */
static const CollapseExtent *
guest_extent(const MigrateGuest *guest, const CollapseArea *area,
             uint64_t offset)
{
    uint64_t first = 0;
    for (guint i = 0; i < guest->areas->len; i++) {
        const CollapseArea *a = &g_array_index(guest->areas, CollapseArea, i);
        if (a->inode == area->inode && a->dev_major == area->dev_major &&
            a->dev_minor == area->dev_minor && offset >= a->offset &&
            offset - a->offset < a->extents * EXTENT_BYTES) {
            return &g_array_index(guest->extents, CollapseExtent,
                                  first + (offset - a->offset) / EXTENT_BYTES);
        }
        first += a->extents;
    }
    return NULL;
}

/* Where the guest's extents are huge only entries are missing, the folio is
 * there; and making it took the small entries of all other processes away, so
 * that what they have mapped now says nothing. */
static void
want_mapped(GArray *extents, GArray *areas, const MigrateGuest *guest)
{
    for (guint i = 0; i < extents->len; i++) {
        CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
        const CollapseArea *a = &g_array_index(areas, CollapseArea, e->area);
        const CollapseExtent *of_guest =
            guest_extent(guest, a, a->offset + (e->hva - a->hva));
        bool huge = of_guest && (of_guest->outcome == COLLAPSE_OUTCOME_DONE ||
                                 of_guest->outcome == COLLAPSE_OUTCOME_ALREADY);
        if (!huge) {
            e->outcome = COLLAPSE_OUTCOME_EMPTY;
        } else if (e->outcome == COLLAPSE_OUTCOME_EMPTY) {
            e->outcome = (uint8_t)a->hindrance;
        }
    }
}

/* The areas of PID that map a file of the guest's RAM: none if it does not do
 * so any more. */
static GArray *
find_areas(pid_t pid, const MigrateGuest *guest, GError **error)
{
    g_autoptr(GArray) mappings = proc_maps_read(pid, true, error);
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(Range));
    if (!mappings) {
        return NULL;
    }
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        bool wanted = false;
        for (guint j = 0; j < guest->areas->len; j++) {
            wanted |= is_same_file(
                &g_array_index(guest->areas, CollapseArea, j), m);
        }
        if (wanted) {
            Range range = {.start = m->start, .bytes = m->end - m->start};
            g_array_append_val(ranges, range);
        }
    }
    CollapseFacts facts;
    collapse_area_facts(pid, &facts);
    return collapse_area_list(mappings, ranges, &facts);
}

static void
run_job(const MigrateMappers *self, CollapseKernel *kernel, GArray *extents,
        uint64_t elapsed_ns, CollapseResult *result)
{
    CollapseJobOptions options = *self->pace;
    if (options.max_ns && elapsed_ns >= options.max_ns) {
        *result = (CollapseResult){.end = COLLAPSE_END_MAX_TIME};
        return;
    }
    options.max_ns -= options.max_ns ? elapsed_ns : 0;
    options.together = TOGETHER;
    options.entries_only = true;
    options.prefault = false;
    collapse_job_run(extents, &options, collapse_kernel_seam(kernel),
                     self->progress, result);
}

static void
mappers_count(MigrateSweepMapper *mapper, GArray *extents)
{
    collapse_job_count(extents, mapper->by_outcome);
    mapper->extents =
        extents->len - mapper->by_outcome[COLLAPSE_OUTCOME_EMPTY];
    mapper->huge = mapper->by_outcome[COLLAPSE_OUTCOME_DONE] +
                   mapper->by_outcome[COLLAPSE_OUTCOME_ALREADY];
}

/* False with the reason if it cannot be swept, and without one if it maps
 * nothing any more. */
static bool
mappers_sweep(const MigrateMappers *self, MigrateSweepMapper *mapper,
              uint64_t elapsed_ns, CollapseResult *result, GError **error)
{
    g_autoptr(GArray) areas = find_areas(mapper->pid, self->guest, error);
    if (!areas || areas->len == 0) {
        return false;
    }
    g_autoptr(GArray) extents =
        collapse_extents_look(mapper->pid, areas, error);
    g_autoptr(CollapseKernel) kernel =
        extents ? collapse_kernel_open(mapper->pid, self->stop, error) : NULL;
    if (!kernel) {
        return false;
    }
    want_mapped(extents, areas, self->guest);
    run_job(self, kernel, extents, elapsed_ns, result);
    mappers_count(mapper, extents);
    return true;
}

static void
read_name(MigrateSweepMapper *mapper)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)mapper->pid);
    g_autofree char *comm = NULL;
    if (g_file_get_contents(path, &comm, NULL, NULL)) {
        g_strlcpy(mapper->comm, g_strchomp(comm), sizeof mapper->comm);
    }
}

/* The pidfd comes first: that its process lives on at the end says that the
 * number was its own all the time. */
static void
sweep_one(const MigrateMappers *self, pid_t pid, GArray *mappers,
          CollapseResult *result)
{
    MigrateSweepMapper mapper = {.pid = pid};
    CollapseResult own;
    g_autoptr(GError) why = NULL;
    autofd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0 && errno == ESRCH) {
        return;
    }
    read_name(&mapper);
    bool swept = mappers_sweep(self, &mapper, result->elapsed_ns, &own, &why);
    if (swept && own.end != COLLAPSE_END_GONE) {
        collapse_result_merge(result, &own);
        g_array_append_val(mappers, mapper);
    } else if (why && !error_is(why, ERROR_VM_GONE) &&
               !proc_life_has_ended(pidfd, 0)) {
        mapper.error = g_strdup(why->message);
        g_array_append_val(mappers, mapper);
    }
}

static bool
mappers_has(GArray *pids, pid_t pid)
{
    for (guint i = 0; i < pids->len; i++) {
        if (g_array_index(pids, pid_t, i) == pid) {
            return true;
        }
    }
    return false;
}

static GArray *
find_pids(const MigrateGuest *guest)
{
    GArray *pids = g_array_new(false, false, sizeof(pid_t));
    for (guint i = 0; i < guest->areas->len; i++) {
        const CollapseArea *a = &g_array_index(guest->areas, CollapseArea, i);
        if (!a->inode) {
            continue;
        }
        g_autoptr(GArray) found = proc_maps_find_mappers(
            a->dev_major, a->dev_minor, a->inode, guest->pid);
        for (guint j = 0; j < found->len; j++) {
            pid_t pid = g_array_index(found, pid_t, j);
            if (!mappers_has(pids, pid)) {
                g_array_append_val(pids, pid);
            }
        }
    }
    return pids;
}

static void
clear_mapper(gpointer data)
{
    g_free(((MigrateSweepMapper *)data)->error);
}

GArray *
migrate_mappers_sweep(const MigrateMappers *self, CollapseResult *result)
{
    uint64_t before_ns = result->elapsed_ns, began_ns = fd_now_ns();
    g_autoptr(GArray) pids = find_pids(self->guest);
    GArray *mappers = g_array_new(false, true, sizeof(MigrateSweepMapper));
    g_array_set_clear_func(mappers, clear_mapper);
    for (guint i = 0; i < pids->len && result->end == COLLAPSE_END_COMPLETED;
         i++) {
        result->elapsed_ns = before_ns + (fd_now_ns() - began_ns);
        sweep_one(self, g_array_index(pids, pid_t, i), mappers, result);
    }
    result->elapsed_ns = before_ns + (fd_now_ns() - began_ns);
    return mappers;
}
