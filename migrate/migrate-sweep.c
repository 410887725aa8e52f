/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sweeping a running guest: see migrate-sweep.h.
 */
#include "migrate/migrate-sweep.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-kernel.h"
#include "migrate/migrate-guest.h"
#include "migrate/migrate-priority.h"

#define WATCH_MS 500
#define TERMINAL_MS 200
#define LOG_MS 5000
/* A process that only installs entries does it for sixteen at a time: what a
 * call costs is the draining of all CPUs (collapse-sweep.h), not the entry. */
#define TOGETHER 16

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
    raise_flag(sweep->over);
    return NULL;
}

static bool line_is_shown;

static void
hide_line(void)
{
    if (line_is_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        line_is_shown = false;
    }
}

static void
show(Sweep *sweep)
{
    bool terminal = isatty(STDERR_FILENO);
    uint64_t now = fd_now_ns();
    uint64_t every = (terminal ? TERMINAL_MS : LOG_MS) * UINT64_C(1000000);
    if (sweep->options->quiet || now - sweep->shown_ns < every) {
        return;
    }
    uint64_t done = sweep->progress.done, total = sweep->progress.total;
    uint64_t huge = sweep->progress.huge;
    sweep->shown_ns = now;
    g_autofree char *text = g_strdup_printf(
        "%" PRIu64 " of %" PRIu64 " MiB looked at, %" PRIu64 " MiB made huge",
        done * 2, total * 2, huge * 2);
    if (terminal) {
        fprintf(stderr, "\r\033[Kcollapse  %s", text);
        fflush(stderr);
        line_is_shown = true;
    } else {
        g_message("%s", text);
    }
}

/* A guest that leaves needs its CPU time and its page tables for that; and
 * from an incoming postcopy on, every call would be refused. */
static void
watch(Sweep *sweep)
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
        show(sweep);
        watch(sweep);
    }
}

static void
count_outcomes(GArray *extents, uint64_t by_outcome[COLLAPSE_OUTCOMES])
{
    memset(by_outcome, 0, COLLAPSE_OUTCOMES * sizeof by_outcome[0]);
    for (guint i = 0; i < extents->len; i++) {
        by_outcome[g_array_index(extents, CollapseExtent, i).outcome]++;
    }
}

static bool
is_private(const MigrateGuest *guest)
{
    for (guint i = 0; i < guest->areas->len; i++) {
        if (g_array_index(guest->areas, CollapseArea, i).inode) {
            return false;
        }
    }
    return true;
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

/* The areas of PID that map a file of the guest's RAM. */
static GArray *
mapper_areas(pid_t pid, const MigrateGuest *guest)
{
    g_autoptr(GArray) mappings = proc_maps_read(pid, true, NULL);
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(Range));
    for (guint i = 0; mappings && i < mappings->len; i++) {
        const ProcMapping *m = &g_array_index(mappings, ProcMapping, i);
        for (guint j = 0; j < guest->areas->len; j++) {
            const CollapseArea *a =
                &g_array_index(guest->areas, CollapseArea, j);
            if (a->inode && a->inode == m->inode &&
                a->dev_major == m->dev_major && a->dev_minor == m->dev_minor) {
                Range range = {.start = m->start, .bytes = m->end - m->start};
                g_array_append_val(ranges, range);
                break;
            }
        }
    }
    if (ranges->len == 0) {
        return NULL;
    }
    CollapseFacts facts;
    collapse_area_facts(pid, &facts);
    return collapse_area_list(mappings, ranges, &facts);
}

static void
sweep_mapper(Sweep *sweep, pid_t pid)
{
    MigrateSweepMapper mapper = {.pid = pid};
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)pid);
    g_autofree char *comm = NULL;
    g_autoptr(GArray) areas = mapper_areas(pid, sweep->guest);
    g_autoptr(GError) why = NULL;
    if (!areas) {
        return;
    }
    g_autoptr(GArray) extents = collapse_extents_look(pid, areas, &why);
    g_autoptr(CollapseKernel) kernel =
        extents ? collapse_kernel_open(pid, sweep->options->stop, &why) : NULL;
    if (!kernel) {
        g_warning("process %d maps the guest's RAM and could not be swept: %s",
                  (int)pid, why->message);
        return;
    }
    if (g_file_get_contents(path, &comm, NULL, NULL)) {
        g_strlcpy(mapper.comm, g_strchomp(comm), sizeof mapper.comm);
    }
    want_mapped(extents, areas, sweep->guest);
    CollapseJobOptions options = sweep->pace;
    CollapseResult result;
    options.together = TOGETHER;
    options.entries_only = true;
    options.prefault = false;
    collapse_job_run(extents, &options, collapse_kernel_seam(kernel), NULL,
                     &result);
    count_outcomes(extents, mapper.by_outcome);
    mapper.extents =
        extents->len - mapper.by_outcome[COLLAPSE_OUTCOME_EMPTY];
    mapper.huge = mapper.by_outcome[COLLAPSE_OUTCOME_DONE] +
                  mapper.by_outcome[COLLAPSE_OUTCOME_ALREADY];
    g_array_append_val(sweep->report->mappers, mapper);
}

static void
sweep_mappers(Sweep *sweep)
{
    g_autoptr(GArray) pids = g_array_new(false, false, sizeof(pid_t));
    for (guint i = 0; i < sweep->guest->areas->len; i++) {
        const CollapseArea *a =
            &g_array_index(sweep->guest->areas, CollapseArea, i);
        if (!a->inode) {
            continue;
        }
        g_autoptr(GArray) found = proc_maps_find_mappers(
            a->dev_major, a->dev_minor, a->inode, sweep->guest->pid);
        g_array_append_vals(pids, found->data, found->len);
    }
    sweep->report->mappers =
        g_array_new(false, true, sizeof(MigrateSweepMapper));
    for (guint i = 0; i < pids->len; i++) {
        pid_t pid = g_array_index(pids, pid_t, i);
        bool again = false;
        for (guint j = 0; j < i; j++) {
            again = again || g_array_index(pids, pid_t, j) == pid;
        }
        if (!again) {
            sweep_mapper(sweep, pid);
        }
    }
}

static bool
run_thread(Sweep *sweep, GError **error)
{
    sweep->kernel =
        collapse_kernel_open(sweep->guest->pid, sweep->options->stop, error);
    if (!sweep->kernel) {
        return false;
    }
    /* That was by number. */
    if (!migrate_guest_lives(sweep->guest, error)) {
        collapse_kernel_close(sweep->kernel);
        return false;
    }
    log_set_before_line(hide_line);
    GThread *thread = g_thread_new("sweep", sweep_thread, sweep);
    wait_for_thread(sweep);
    g_thread_join(thread);
    hide_line();
    log_set_before_line(NULL);
    collapse_kernel_close(sweep->kernel);
    return true;
}

/* Coverage as it is now, or, if there is nothing left to look at, as it was
 * when the last extent was done. */
static void
count_after(Sweep *sweep)
{
    MigrateSweepReport *report = sweep->report;
    count_outcomes(sweep->guest->extents, report->by_outcome);
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
    if (report->by_outcome[COLLAPSE_OUTCOME_CGROUP]) {
        report->cgroup = proc_cgroup_read(sweep->guest->pid, "memory");
        if (!report->cgroup) {
            report->cgroup = proc_cgroup_read(sweep->guest->pid, "");
        }
    }
}

static void
conclude(Sweep *sweep)
{
    MigrateSweepReport *report = sweep->report;
    CollapseEnd end = report->result.end;
    report->how = collapse_end_name(end);
    report->words = g_strdup(collapse_result_words(&report->result));
    if (sweep->moving && end == COLLAPSE_END_STOPPED) {
        report->how = "migrating";
        g_free(report->words);
        report->words = g_steal_pointer(&sweep->moving);
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
        count_outcomes(sweep->guest->extents, sweep->report->by_outcome);
        sweep->report->after = sweep->report->before;
        sweep->report->how = "dry-run";
        sweep->report->words = g_strdup("nothing was changed");
        return true;
    }
    if (!run_thread(sweep, error)) {
        return false;
    }
    if (sweep->options->all_mappers && !is_private(sweep->guest) &&
        sweep->report->result.end == COLLAPSE_END_COMPLETED) {
        sweep_mappers(sweep);
    }
    count_after(sweep);
    conclude(sweep);
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
        count_outcomes(guest.extents, by_outcome);
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
