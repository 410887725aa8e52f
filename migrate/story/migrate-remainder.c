/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last sweep of an own migration: see migrate-remainder.h.
 */
#include "migrate/story/migrate-remainder.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-kernel.h"
#include "collapse/collapse-prefault.h"
#include "migrate/core/migrate-priority.h"

/* Less patience than 'postlude collapse' has: somebody waits to be told that
 * the guest has arrived, and can call that at leisure. */
#define TRIES 6 /* 50 + 100 + ... + 800 ms between them */
#define NO_MEMORY_NS UINT64_C(5000000000)

typedef struct {
    MigrateSession *session;
    const CollapseSeam *kernel;
    CollapseSeam seam;
} Sweep;

/* Extents that can be huge: whole, aligned, and with data now or when the
 * folios were laid (one of those may have been emptied before the stop). */
static bool
is_eligible(const MigrateSession *session, unsigned block, uint32_t extent)
{
    const MigrateBlock *b = &session->guest.ram->blocks[block];
    return b->aligned &&
           migrate_ram_extent_pages(b, extent) == PAGES_PER_EXTENT &&
           (session->destination.wanted[block][extent] ||
            migrate_pages_is_laid(session->destination.pages, block, extent));
}

static void
look_at(MigrateSession *session, unsigned block, uint32_t extent,
        GArray *extents)
{
    if (!is_eligible(session, block, extent)) {
        return;
    }
    session->report.huge.eligible_bytes += EXTENT_BYTES;
    if (!migrate_pages_is_laid(session->destination.pages, block, extent)) {
        session->report.huge.small_extents++;
    }
    if (!migrate_huge_is(session->destination.huge, block, extent)) {
        CollapseExtent e = {.hva = session->guest.ram->blocks[block].hva +
                                   extent * EXTENT_BYTES,
                            .pages = PAGES_PER_EXTENT};
        g_array_append_val(extents, e);
    }
}

static GArray *
remainder_list(MigrateSession *session)
{
    GArray *extents = g_array_new(false, true, sizeof(CollapseExtent));
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        for (uint32_t e = 0; e < session->guest.ram->blocks[i].extents; e++) {
            look_at(session, i, e, extents);
        }
    }
    return extents;
}

static int
do_collapse(gpointer data, uint64_t hva, uint64_t extents)
{
    const CollapseSeam *kernel = ((Sweep *)data)->kernel;
    return kernel->collapse(kernel->data, hva, extents);
}

static void
do_prefault(gpointer data)
{
    const CollapseSeam *kernel = ((Sweep *)data)->kernel;
    kernel->prefault(kernel->data);
}

static CollapseOutcome
do_classify(gpointer data, uint64_t hva, int errnum)
{
    const CollapseSeam *kernel = ((Sweep *)data)->kernel;
    return kernel->classify(kernel->data, hva, errnum);
}

static bool
do_is_mapped(gpointer data, uint64_t hva)
{
    const CollapseSeam *kernel = ((Sweep *)data)->kernel;
    return kernel->is_mapped(kernel->data, hva);
}

/* To compact the memory of a whole host is felt by all of its guests:
 * something to be asked for, not to happen because one has arrived. */
static bool
do_not_compact(gpointer data)
{
    return false;
}

static uint64_t
do_now_ns(gpointer data)
{
    const CollapseSeam *kernel = ((Sweep *)data)->kernel;
    return kernel->now_ns(kernel->data);
}

/* Signals come through the main context. One turn of it, not until it is
 * quiet: a connection that the peer has closed stays readable for ever. */
static CollapseRest
do_rest(gpointer data, uint64_t ns)
{
    Sweep *sweep = data;
    CollapseRest rest = sweep->kernel->rest(sweep->kernel->data, ns);
    g_main_context_iteration(NULL, false);
    return rest == COLLAPSE_REST_OVER && sweep->session->operator.interrupted
               ? COLLAPSE_REST_STOP
               : rest;
}

static void
count_failures(MigrateSession *session, GArray *extents)
{
    for (guint i = 0; i < extents->len; i++) {
        const CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
        if (e->errnum && collapse_outcome_is_failure(e->outcome)) {
            collapse_errors_add(&session->report.huge.failed, e->errnum);
        }
    }
}

static void
sweep_extents(MigrateSession *session, GArray *extents,
              const CollapseSeam *kernel)
{
    Sweep sweep = {.session = session,
                   .kernel = kernel,
                   .seam = {.collapse = do_collapse,
                            .prefault = do_prefault,
                            .classify = do_classify,
                            .compact = do_not_compact,
                            .now_ns = do_now_ns,
                            .rest = do_rest,
                            .is_mapped = kernel->is_mapped ? do_is_mapped
                                                           : NULL,
                            .data = &sweep}};
    CollapseJobOptions options;
    CollapseResult result;
    collapse_job_options_init(&options, false);
    options.retry.tries = TRIES;
    options.no_memory_ns = NO_MEMORY_NS;
    migrate_priority_sweep();
    collapse_job_run(extents, &options, &sweep.seam, NULL, &result);
    session->report.huge.sweep_ns += result.call_ns;
    count_failures(session, extents);
    if (result.end == COLLAPSE_END_GONE) {
        g_warning("the guest has ended; all of its memory had arrived");
    } else if (result.end != COLLAPSE_END_COMPLETED) {
        g_warning("the guest is here, but not all of it in huge pages: %s; "
                  "postlude collapse goes on with it later",
                  collapse_result_words(&result));
    }
}

/* The kernel as a confined process has it: it may still collapse, but what an
 * errno means stands in QEMU's /proc, where only the attendant can look. */
typedef struct {
    MigrateSession *session;
    CollapsePrefault *prefault; /* or NULL */
} Confined;

static int
confined_collapse(gpointer data, uint64_t hva, uint64_t extents)
{
    Confined *c = data;
    return collapse_target_range(c->session->destination.target, hva, extents);
}

static void
confined_prefault(gpointer data)
{
    collapse_prefault_page(((Confined *)data)->prefault);
}

static CollapseOutcome
confined_classify(gpointer data, uint64_t hva, int errnum)
{
    Confined *c = data;
    return migrate_attendant_classify(c->session->destination.attendant, hva,
                                      errnum);
}

static uint64_t
confined_now_ns(gpointer data)
{
    return fd_now_ns();
}

static CollapseRest
confined_rest(gpointer data, uint64_t ns)
{
    Confined *c = data;
    struct pollfd gone = {.fd = c->session->guest.pidfd, .events = POLLIN};
    struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
    ppoll(&gone, 1, &pause, NULL);
    return gone.revents & POLLIN ? COLLAPSE_REST_GONE : COLLAPSE_REST_OVER;
}

static void
sweep_confined(MigrateSession *session, GArray *extents)
{
    g_autoptr(CollapsePrefault) prefault = collapse_prefault_new();
    Confined confined = {session, prefault};
    const CollapseSeam kernel = {.collapse = confined_collapse,
                                 .prefault = confined_prefault,
                                 .classify = confined_classify,
                                 .now_ns = confined_now_ns,
                                 .rest = confined_rest,
                                 .data = &confined};
    sweep_extents(session, extents, &kernel);
}

static void
sweep_openly(MigrateSession *session, GArray *extents)
{
    g_autoptr(GError) why = NULL;
    autofd never = eventfd(0, EFD_CLOEXEC);
    g_autoptr(CollapseKernel) kernel =
        collapse_kernel_open(session->guest.pid, never, &why);
    if (!kernel) {
        g_warning("%u MiB stay in small pages: %s", extents->len * 2,
                  why->message);
        return;
    }
    sweep_extents(session, extents, collapse_kernel_seam(kernel));
}

void
migrate_remainder_sweep(MigrateSession *session)
{
    g_autoptr(GArray) extents = remainder_list(session);
    /* At the limit, a sweep would take what QEMU needs to live. */
    if (extents->len == 0 || session->destination.at_limit) {
        return;
    }
    g_debug("sweeping %u extents", extents->len);
    session->operator.sweeping = true;
    if (session->destination.attendant) {
        sweep_confined(session, extents);
    } else {
        sweep_openly(session, extents);
    }
    session->operator.sweeping = false;
}
