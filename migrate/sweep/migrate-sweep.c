/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sweeping a running guest: see migrate-sweep.h.
 */
#include "migrate/sweep/migrate-sweep.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/thread.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-kernel.h"
#include "migrate/core/migrate-priority.h"
#include "migrate/sweep/migrate-mappers.h"

#define WATCH_MS 500
#define TERMINAL_MS 200
#define LOG_MS 5000

typedef struct {
    const MigrateSweepOptions *options;
    MigrateSweepReport *report;
    MigrateGuest *guest;
    CollapseKernel *kernel;
    CollapseJobOptions pace;
    CollapseProgress progress;
    int over; /* eventfd: the thread has ended */
    uint64_t shown_ns, watched_ns;
    char *moving; /* why we stopped it, or NULL */
} Sweep;

void
migrate_sweep_report_clear(MigrateSweepReport *report)
{
    g_clear_pointer(&report->vm_name, g_free);
    g_clear_pointer(&report->words, g_free);
    g_clear_pointer(&report->mappers, g_array_unref);
    g_clear_pointer(&report->cgroup, g_free);
}

static void
raise_flag(int eventfd_)
{
    uint64_t one = 1;
    if (write(eventfd_, &one, sizeof one) < 0) {
        return; /* full: it is up already */
    }
}

static gpointer
sweep_thread(gpointer data)
{
    Sweep *sweep = data;
    /* Without pauses it would take a core from the other guests. */
    if (sweep->pace.pace.duty < 1) {
        migrate_priority_sweep();
    }
    collapse_job_run(sweep->guest->extents, &sweep->pace,
                     collapse_kernel_seam(sweep->kernel), &sweep->progress,
                     &sweep->report->result);
    if (sweep->options->all_mappers &&
        sweep->report->result.end == COLLAPSE_END_COMPLETED) {
        const MigrateMappers mappers = {.guest = sweep->guest,
                                        .pace = &sweep->pace,
                                        .stop = sweep->options->stop,
                                        .progress = &sweep->progress};
        sweep->report->mappers =
            migrate_mappers_sweep(&mappers, &sweep->report->result);
    }
    raise_flag(sweep->over);
    return NULL;
}

/* Either thread may have something to say. */
static atomic_bool line_is_shown;

static void
hide_line(void)
{
    if (line_is_shown) {
        terminal_hide(STDERR_FILENO);
        line_is_shown = false;
    }
}

static void
sweep_show(Sweep *sweep)
{
    bool terminal = terminal_is(STDERR_FILENO);
    uint64_t now = fd_now_ns();
    uint64_t every = (terminal ? TERMINAL_MS : LOG_MS) * UINT64_C(1000000);
    if (sweep->options->quiet || now - sweep->shown_ns < every) {
        return;
    }
    uint64_t done = sweep->progress.done, total = sweep->progress.total;
    uint64_t huge = sweep->progress.huge;
    sweep->shown_ns = now;
    g_autofree char *text = g_strdup_printf(
        "%" PRIu64 " of %" PRIu64 " MiB looked at, %" PRIu64 " MiB made huge%s",
        done * 2, total * 2, huge * 2,
        sweep->progress.compacting ? "; compacting memory" : "");
    if (terminal) {
        g_autofree char *line = g_strconcat("collapse  ", text, NULL);
        terminal_show(STDERR_FILENO, line);
        line_is_shown = true;
    } else {
        g_message("%s", text);
    }
}

/* A guest that leaves needs its CPU time and its page tables for that; and
 * from an incoming postcopy on, every call would be refused. */
static void
sweep_watch(Sweep *sweep)
{
    uint64_t now = fd_now_ns();
    if (!sweep->moving &&
        now - sweep->watched_ns >= WATCH_MS * UINT64_C(1000000)) {
        sweep->watched_ns = now;
        if (migrate_guest_moves(sweep->guest, &sweep->moving)) {
            raise_flag(sweep->options->stop);
        }
    }
}

static void
wait_for_thread(Sweep *sweep)
{
    struct pollfd over = {.fd = sweep->over, .events = POLLIN};
    sweep->watched_ns = fd_now_ns();
    while (poll(&over, 1, TERMINAL_MS) <= 0) {
        sweep_show(sweep);
        sweep_watch(sweep);
    }
}

static bool
run_thread(Sweep *sweep, GError **error)
{
    g_autoptr(CollapseKernel) kernel =
        collapse_kernel_open(sweep->guest->pid, sweep->options->stop, error);
    /* That was by number. */
    if (!kernel || !migrate_guest_lives(sweep->guest, error)) {
        return false;
    }
    sweep->kernel = kernel;
    log_set_before_line(hide_line);
    GThread *thread = thread_start("sweep", sweep_thread, sweep, error);
    if (thread) {
        wait_for_thread(sweep);
        g_thread_join(thread);
    }
    hide_line();
    log_set_before_line(NULL);
    return thread != NULL;
}

static uint64_t
growth_bytes(GArray *extents, CollapseOutcome outcome)
{
    uint64_t bytes = 0;
    for (guint i = 0; i < extents->len; i++) {
        const CollapseExtent *e = &g_array_index(extents, CollapseExtent, i);
        bytes += e->outcome == outcome ? collapse_job_growth_bytes(e) : 0;
    }
    return bytes;
}

/* Coverage as it is now, or, if there is nothing left to look at, as it was
 * when the last extent was done. */
static void
count_after(Sweep *sweep)
{
    MigrateSweepReport *report = sweep->report;
    collapse_job_count(sweep->guest->extents, report->by_outcome);
    report->growth_bytes =
        growth_bytes(sweep->guest->extents, COLLAPSE_OUTCOME_DONE);
    collapse_extents_count(sweep->guest->extents, sweep->guest->areas,
                           &report->after);
    if (report->result.end != COLLAPSE_END_GONE) {
        if (!collapse_extents_can_scan()) {
            collapse_account_areas(sweep->guest->pid, sweep->guest->areas);
        }
        g_autoptr(GArray) now = collapse_extents_look(
            sweep->guest->pid, sweep->guest->areas, NULL);
        if (now) {
            collapse_extents_count(now, sweep->guest->areas, &report->after);
        }
    }
    if (report->by_outcome[COLLAPSE_OUTCOME_CGROUP] ||
        report->by_outcome[COLLAPSE_OUTCOME_NO_ROOM]) {
        report->cgroup = proc_cgroup_read(sweep->guest->pid, "memory");
        if (!report->cgroup) {
            report->cgroup = proc_cgroup_read(sweep->guest->pid, "");
        }
    }
}

static bool
has_failed_mapper(const MigrateSweepReport *report)
{
    for (guint i = 0; report->mappers && i < report->mappers->len; i++) {
        if (g_array_index(report->mappers, MigrateSweepMapper, i).error) {
            return true;
        }
    }
    return false;
}

static void
sweep_conclude(Sweep *sweep)
{
    MigrateSweepReport *report = sweep->report;
    CollapseEnd end = report->result.end;
    const char *words = collapse_result_words(&report->result);
    report->how = collapse_end_name(end);
    if (sweep->moving && end == COLLAPSE_END_STOPPED) {
        report->how = "migrating";
        report->words = g_strdup(sweep->moving);
    } else if (has_failed_mapper(report) &&
               (end == COLLAPSE_END_COMPLETED ||
                end == COLLAPSE_END_MAX_TIME)) {
        report->how = "mapper-failed";
        report->words = g_strdup_printf(
            "%s, but not in every process that maps the guest's RAM", words);
    } else {
        report->words = g_strdup(words);
    }
    g_free(sweep->moving);
}

static bool
sweep_guest(Sweep *sweep, GError **error)
{
    if (!migrate_guest_look(sweep->guest, error)) {
        return false;
    }
    collapse_extents_count(sweep->guest->extents, sweep->guest->areas,
                           &sweep->report->before);
    if (sweep->options->dry_run) {
        collapse_job_count(sweep->guest->extents, sweep->report->by_outcome);
        sweep->report->growth_bytes =
            growth_bytes(sweep->guest->extents, COLLAPSE_OUTCOME_WAITING);
        sweep->report->after = sweep->report->before;
        sweep->report->how = "dry-run";
        sweep->report->words = g_strdup("nothing was changed");
        return true;
    }
    if (!run_thread(sweep, error)) {
        return false;
    }
    count_after(sweep);
    sweep_conclude(sweep);
    return true;
}

static bool
wait_if_asked(Sweep *sweep, GError **error)
{
    if (sweep->options->after_migration) {
        uint64_t before = fd_now_ns();
        bool ok = migrate_guest_await(sweep->guest, sweep->options->stop,
                                      sweep->options->quiet, error);
        sweep->report->waited_ns = fd_now_ns() - before;
        return ok;
    }
    g_autofree char *words = NULL;
    return !migrate_guest_moves(sweep->guest, &words) ||
           error_set(error, ERROR_STATE,
                     "%s; --after-migration waits for its end", words);
}

bool
migrate_sweep_run(const MigrateSweepOptions *options,
                  MigrateSweepReport *report, GError **error)
{
    autofd over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_autoptr(MigrateGuest) guest = migrate_guest_open(options, error);
    if (!guest) {
        return false;
    }
    Sweep sweep = {.options = options,
                   .report = report,
                   .guest = guest,
                   .over = over};
    collapse_job_options_init(&sweep.pace, options->fast);
    if (options->duty > 0) {
        sweep.pace.pace.duty = options->duty;
    }
    sweep.pace.max_ns = options->max_ns;
    report->pid = guest->pid;
    report->vm_name = g_strdup(guest->name);
    report->fast = options->fast;
    report->duty = sweep.pace.pace.duty;
    return wait_if_asked(&sweep, error) && sweep_guest(&sweep, error);
}

static void
add_reason(GPtrArray *findings, CollapseOutcome why, uint64_t extents)
{
    if (extents && collapse_outcome_is_failure(why)) {
        bool later = why == COLLAPSE_OUTCOME_WAITING;
        migrate_findings_add(
            findings, MIGRATE_CHECK_WARNING,
            later ? "postlude collapse makes them huge"
                  : collapse_outcome_remedy(why),
            "%" PRIu64 " MiB are in small pages: %s", extents * 2,
            later ? "nobody has asked for huge ones"
                  : collapse_outcome_words(why));
    }
}

void
migrate_sweep_check(QmpClient *client, pid_t pid, GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    MigrateGuest guest = {.pid = pid, .pidfd = -1, .qmp = client};
    uint64_t by_outcome[COLLAPSE_OUTCOMES];
    CollapseCount count;
    if (!migrate_guest_look(&guest, &why)) {
        migrate_findings_add(findings, MIGRATE_CHECK_WARNING,
                             "run as root, or name QEMU's process",
                             "huge pages cannot be counted: %s", why->message);
    } else {
        collapse_extents_count(guest.extents, guest.areas, &count);
        collapse_job_count(guest.extents, by_outcome);
        migrate_findings_add(
            findings, MIGRATE_CHECK_OK, NULL,
            "of %" PRIu64 " MiB of RAM %" PRIu64 " MiB hold data, and %" PRIu64
            " MiB of these (%.1f%%) are in huge pages",
            count.extents * 2, count.populated * 2, count.huge * 2,
            count.populated ? (double)count.huge * 100 /
                                  (double)count.populated
                            : 0);
        for (unsigned i = 0; i < COLLAPSE_OUTCOMES; i++) {
            add_reason(findings, i, by_outcome[i]);
        }
    }
    g_clear_pointer(&guest.areas, g_array_unref);
    g_clear_pointer(&guest.extents, g_array_unref);
}
