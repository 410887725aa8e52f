/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel behind a sweep: see collapse-kernel.h.
 */
#include "collapse/collapse-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/proc-maps.h"
#include "collapse/collapse-compact.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-margin.h"
#include "collapse/collapse-prefault.h"

/* smaps walks all of the guest's page tables: not for every extent. */
#define LOOK_AGAIN_NS UINT64_C(2000000000)

struct CollapseKernel {
    pid_t pid;
    CollapseTarget *target;
    CollapsePrefault *prefault; /* or NULL */
    CollapseCompact *compact;   /* or NULL */
    CollapseMargin *margin;     /* NULL until it is asked for */
    CollapseSeam seam;
    int pidfd;
    int stop;                   /* borrowed */
    GArray *mappings;           /* of smaps, as of LOOKED_NS, or NULL */
    uint64_t looked_ns;
};

static int
do_collapse(gpointer data, uint64_t hva, uint64_t extents)
{
    CollapseKernel *kernel = data;
    return collapse_target_range(kernel->target, hva, extents);
}

static void
do_prefault(gpointer data)
{
    collapse_prefault_page(((CollapseKernel *)data)->prefault);
}

static bool
kernel_look(CollapseKernel *kernel)
{
    uint64_t now = fd_now_ns();
    if (kernel->mappings && now - kernel->looked_ns < LOOK_AGAIN_NS) {
        return true;
    }
    g_clear_pointer(&kernel->mappings, g_array_unref);
    g_autoptr(GArray) mappings = proc_maps_read(kernel->pid, true, NULL);
    if (!mappings || mappings->len == 0) {
        return false;
    }
    kernel->mappings = g_steal_pointer(&mappings);
    kernel->looked_ns = now;
    return true;
}

static bool
kernel_holds(GArray *mappings, uint64_t hva)
{
    for (guint i = 0; i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        if (hva >= m->start && hva < m->end) {
            return true;
        }
    }
    return false;
}

/* In whatever mapping it is: a process that only reads the guest's RAM has
 * none that could be written to. */
static CollapseOutcome
hindrance_at(const CollapseKernel *kernel, uint64_t hva)
{
    CollapseFacts facts;
    const Range extent = {.start = hva, .bytes = EXTENT_BYTES};
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof extent);
    g_array_append_val(ranges, extent);
    collapse_area_facts(kernel->pid, &facts);
    g_autoptr(GArray) areas =
        collapse_area_list(kernel->mappings, ranges, &facts);
    return areas->len ? g_array_index(areas, CollapseArea, 0).hindrance
                      : COLLAPSE_OUTCOME_WAITING;
}

/* The guest has given it back (balloon) since we looked. */
static bool
is_empty(const CollapseKernel *kernel, uint64_t hva)
{
    CollapseArea area = {.hva = hva, .extents = 1};
    g_autoptr(GArray) areas = g_array_new(false, false, sizeof area);
    g_array_append_val(areas, area);
    g_autoptr(GArray) extents =
        collapse_extents_look(kernel->pid, areas, NULL);
    return extents && g_array_index(extents, CollapseExtent, 0).pages == 0;
}

/* EINVAL has a dozen causes, ENOMEM and EBUSY two each; only a look at the
 * mapping as it is now tells them apart. */
static CollapseOutcome
do_classify(gpointer data, uint64_t hva, int errnum)
{
    CollapseKernel *kernel = data;
    if (errnum == ESRCH || proc_life_has_ended(kernel->pidfd, 0) ||
        !kernel_look(kernel)) {
        return COLLAPSE_OUTCOME_GONE;
    }
    if (!kernel_holds(kernel->mappings, hva)) {
        return COLLAPSE_OUTCOME_UNMAPPED;
    }
    CollapseOutcome why = hindrance_at(kernel, hva);
    if (why == COLLAPSE_OUTCOME_WAITING) {
        why = collapse_outcome_of(errnum);
    }
    return why == COLLAPSE_OUTCOME_REFUSED && is_empty(kernel, hva)
               ? COLLAPSE_OUTCOME_EMPTY
               : why;
}

/* maps walks no page tables, as smaps does. What cannot be read is taken for
 * mapped: then the tries go on, and the next call knows better. */
static bool
do_is_mapped(gpointer data, uint64_t hva)
{
    const CollapseKernel *kernel = data;
    g_autoptr(GArray) mappings = proc_maps_read(kernel->pid, false, NULL);
    return !mappings || mappings->len == 0 || kernel_holds(mappings, hva);
}

static bool
do_compact(gpointer data)
{
    CollapseKernel *kernel = data;
    g_clear_pointer(&kernel->compact, collapse_compact_free);
    kernel->compact = collapse_compact_start();
    return kernel->compact != NULL;
}

static bool
do_is_compacting(gpointer data)
{
    return collapse_compact_is_running(((CollapseKernel *)data)->compact);
}

static uint64_t
do_margin_bytes(gpointer data)
{
    CollapseKernel *kernel = data;
    if (!kernel->margin) {
        kernel->margin = collapse_margin_open(kernel->pid);
    }
    return collapse_margin_bytes(kernel->margin);
}

static uint64_t
do_now_ns(gpointer data)
{
    return fd_now_ns();
}

static CollapseRest
do_rest(gpointer data, uint64_t ns)
{
    CollapseKernel *kernel = data;
    struct pollfd fds[] = {{.fd = kernel->stop, .events = POLLIN},
                           {.fd = kernel->pidfd, .events = POLLIN}};
    struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
    ppoll(fds, G_N_ELEMENTS(fds), &pause, NULL);
    if (fds[0].revents & POLLIN) {
        return COLLAPSE_REST_STOP;
    }
    return fds[1].revents & POLLIN ? COLLAPSE_REST_GONE : COLLAPSE_REST_OVER;
}

CollapseKernel *
collapse_kernel_open(pid_t pid, int stop, GError **error)
{
    g_autoptr(CollapseKernel) kernel = g_new0(CollapseKernel, 1);
    kernel->pid = pid;
    kernel->stop = stop;
    kernel->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    kernel->target = collapse_target_open(pid, error);
    if (!kernel->target) {
        return NULL;
    }
    if (kernel->pidfd < 0) {
        error_set_errno(error, errno, "cannot watch process %d", (int)pid);
        return NULL;
    }
    kernel->prefault = collapse_prefault_new();
    kernel->seam = (CollapseSeam){.collapse = do_collapse,
                                  .prefault = do_prefault,
                                  .classify = do_classify,
                                  .compact = do_compact,
                                  .is_compacting = do_is_compacting,
                                  .now_ns = do_now_ns,
                                  .rest = do_rest,
                                  .is_mapped = do_is_mapped,
                                  .margin_bytes = do_margin_bytes,
                                  .data = kernel};
    return g_steal_pointer(&kernel);
}

void
collapse_kernel_close(CollapseKernel *kernel)
{
    if (kernel) {
        collapse_target_close(kernel->target);
        collapse_prefault_free(kernel->prefault);
        collapse_compact_free(kernel->compact);
        g_clear_pointer(&kernel->margin, collapse_margin_free);
        fd_clear(&kernel->pidfd);
        g_clear_pointer(&kernel->mappings, g_array_unref);
        g_free(kernel);
    }
}

const CollapseSeam *
collapse_kernel_seam(CollapseKernel *kernel)
{
    return &kernel->seam;
}
