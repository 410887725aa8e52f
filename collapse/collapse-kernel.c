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
#include "base/proc-maps.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-prefault.h"

/* smaps walks all of the guest's page tables: not for every extent. */
#define LOOK_AGAIN_NS UINT64_C(2000000000)

struct CollapseKernel {
    pid_t pid;
    CollapseTarget *target;
    CollapsePrefault *prefault; /* or NULL */
    CollapseSeam seam;
    int pidfd;
    int stop;                  /* borrowed */
    GArray *areas;             /* as of LOOKED_NS, or NULL */
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
look(CollapseKernel *kernel)
{
    uint64_t now = fd_now_ns();
    if (kernel->areas && now - kernel->looked_ns < LOOK_AGAIN_NS) {
        return true;
    }
    g_clear_pointer(&kernel->areas, g_array_unref);
    g_autoptr(GArray) mappings = proc_maps_read(kernel->pid, true, NULL);
    if (!mappings || mappings->len == 0) {
        return false;
    }
    CollapseFacts facts;
    collapse_area_facts(kernel->pid, &facts);
    g_autoptr(GArray) ranges = collapse_area_all(mappings);
    kernel->areas = collapse_area_list(mappings, ranges, &facts);
    kernel->looked_ns = now;
    return true;
}

static const CollapseArea *
area_at(const CollapseKernel *kernel, uint64_t hva)
{
    for (guint i = 0; i < kernel->areas->len; i++) {
        const CollapseArea *a = &g_array_index(kernel->areas, CollapseArea, i);
        if (hva >= a->hva && hva - a->hva < a->extents * EXTENT_BYTES) {
            return a;
        }
    }
    return NULL;
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
    struct pollfd gone = {.fd = kernel->pidfd, .events = POLLIN};
    if (errnum == ESRCH || poll(&gone, 1, 0) > 0 || !look(kernel)) {
        return COLLAPSE_OUTCOME_GONE;
    }
    const CollapseArea *area = area_at(kernel, hva);
    if (!area) {
        return COLLAPSE_OUTCOME_UNMAPPED;
    }
    if (area->hindrance != COLLAPSE_OUTCOME_WAITING) {
        return area->hindrance;
    }
    switch (errnum) {
    case EAGAIN: return COLLAPSE_OUTCOME_PINNED;
    case ENOMEM: return COLLAPSE_OUTCOME_NO_MEMORY;
    case EBUSY: return COLLAPSE_OUTCOME_CGROUP;
    default:
        return is_empty(kernel, hva) ? COLLAPSE_OUTCOME_EMPTY
                                     : COLLAPSE_OUTCOME_REFUSED;
    }
}

/* Documentation/admin-guide/sysctl/vm.rst, compact_memory. Not there in a
 * container whose /proc/sys is read-only: then we do without. */
static bool
do_compact(gpointer data)
{
    autofd file = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
    return file >= 0 && write(file, "1", 1) == 1;
}

static uint64_t
do_now_ns(gpointer data)
{
    return fd_now_ns();
}

/* The end of QEMU ends a rest as well: the next call will say ESRCH. */
static bool
do_rest(gpointer data, uint64_t ns)
{
    CollapseKernel *kernel = data;
    struct pollfd fds[] = {{.fd = kernel->stop, .events = POLLIN},
                           {.fd = kernel->pidfd, .events = POLLIN}};
    struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
    ppoll(fds, G_N_ELEMENTS(fds), &pause, NULL);
    return !(fds[0].revents & POLLIN);
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
                                  .now_ns = do_now_ns,
                                  .rest = do_rest,
                                  .data = kernel};
    return g_steal_pointer(&kernel);
}

void
collapse_kernel_close(CollapseKernel *kernel)
{
    if (kernel) {
        collapse_target_close(kernel->target);
        collapse_prefault_free(kernel->prefault);
        fd_clear(&kernel->pidfd);
        g_clear_pointer(&kernel->areas, g_array_unref);
        g_free(kernel);
    }
}

const CollapseSeam *
collapse_kernel_seam(CollapseKernel *kernel)
{
    return &kernel->seam;
}
