/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding a guest and its RAM, and waiting for it: see migrate-guest.h.
 */
#include "migrate/sweep/migrate-guest.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc-life.h"
#include "base/proc-maps.h"
#include "base/range.h"
#include "collapse/collapse-job.h"
#include "migrate/sweep/migrate-watch.h"
#include "qmp/qmp-qemu.h"

#define OPEN_MS 3000
/* A main loop that waits for a page answers late; we have our own work. */
#define COMMAND_MS 2000
#define LOOK_MS 250
#define GUARD_MS 1000
/* Between the end of a process's monitor and its own. */
#define GONE_MS 2000

void
migrate_guest_close(MigrateGuest *guest)
{
    if (!guest) {
        return;
    }
    g_clear_pointer(&guest->qmp, qmp_client_close);
    g_clear_pointer(&guest->areas, g_array_unref);
    g_clear_pointer(&guest->extents, g_array_unref);
    fd_clear(&guest->pidfd);
    g_free(guest->domain);
    g_free(guest->name);
    g_free(guest);
}

/* The monitor in the domain's own command line may be busy; then the status
 * file has to do. */
static bool
open_domain(MigrateGuest *guest, const char *name, GError **error)
{
    g_auto(MigrateDomain) domain = {0};
    if (!migrate_domain_read(name, &domain, error)) {
        return false;
    }
    guest->pid = domain.pid;
    guest->domain = g_strdup(name);
    guest->name = g_strdup(name);
    g_autoptr(GError) why = NULL;
    if (domain.monitor) {
        guest->qmp = qmp_client_open(domain.monitor, OPEN_MS, &why);
    }
    if (why) {
        g_message("the guest's own monitor is of no use, going on without: %s",
                  why->message);
    }
    return true;
}

static bool
open_monitor(MigrateGuest *guest, const char *path, GError **error)
{
    guest->qmp = qmp_client_open(path, OPEN_MS, error);
    if (!guest->qmp) {
        return false;
    }
    if (guest->pid == 0) {
        guest->pid = qmp_client_peer_pid(guest->qmp);
    }
    return guest->pid > 0 ||
           error_set(error, ERROR_STATE,
                     "the monitor's socket does not tell which process QEMU "
                     "is; name it with --pid");
}

static void
ask_name(MigrateGuest *guest)
{
    QmpIdentity identity = {0};
    qmp_client_set_timeout(guest->qmp, COMMAND_MS);
    if (qmp_qemu_identity(guest->qmp, &identity, NULL)) {
        if (identity.name && *identity.name && !guest->name) {
            guest->name = g_strdup(identity.name);
        }
        qmp_identity_clear(&identity);
    }
}

MigrateGuest *
migrate_guest_open(const MigrateSweepOptions *options, GError **error)
{
    g_autoptr(MigrateGuest) guest = g_new0(MigrateGuest, 1);
    guest->pidfd = -1;
    guest->pid = options->pid;
    guest->all = options->all;
    if ((options->domain && !open_domain(guest, options->domain, error)) ||
        (options->qmp_path &&
         !open_monitor(guest, options->qmp_path, error))) {
        return NULL;
    }
    guest->pidfd = (int)syscall(SYS_pidfd_open, guest->pid, 0);
    if (guest->pidfd < 0) {
        error_set_errno(error, errno, "cannot open the guest, process %d",
                        (int)guest->pid);
        return NULL;
    }
    if (guest->qmp) {
        ask_name(guest);
    }
    log_set_vm(guest->name);
    return g_steal_pointer(&guest);
}

/* False if a block has no place that we can see. */
static bool
add_block(GArray *ranges, GArray *mappings, const QmpRamBlock *block)
{
    if (block->hva) {
        Range range = {.start = block->hva, .bytes = block->bytes};
        g_array_append_val(ranges, range);
        return true;
    }
    return collapse_area_by_size(mappings, block->bytes, ranges);
}

/* NULL: the monitor does not tell, and the largest mappings have to do. */
static GArray *
ranges_of_blocks(MigrateGuest *guest, GArray *mappings)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GArray) blocks = qmp_qemu_ram_blocks(guest->qmp, &why);
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(Range));
    if (!blocks) {
        g_message("QEMU does not tell its RAM blocks, taking its largest "
                  "mappings: %s",
                  why->message);
        return NULL;
    }
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        /* One without a name is virtio-pmem's: a file that is no RAM. */
        if (block->backend && block->name[0] != '\0' &&
            !add_block(ranges, mappings, block)) {
            g_message("RAM block '%s' of %" PRIu64 " MiB is no mapping of its "
                      "own, taking QEMU's largest mappings",
                      block->name, block->bytes >> 20);
            return NULL;
        }
    }
    return ranges->len ? g_steal_pointer(&ranges) : NULL;
}

static GArray *
find_areas(MigrateGuest *guest, bool all, GError **error)
{
    g_autoptr(GArray) mappings = proc_maps_read(guest->pid, true, error);
    if (!mappings) {
        return NULL;
    }
    g_autoptr(GArray) ranges = NULL;
    if (all) {
        ranges = collapse_area_all(mappings);
    } else if (guest->qmp) {
        ranges = ranges_of_blocks(guest, mappings);
    }
    if (!ranges) {
        ranges = collapse_area_largest(mappings);
    }
    CollapseFacts facts;
    collapse_area_facts(guest->pid, &facts);
    g_autoptr(GArray) areas = collapse_area_list(mappings, ranges, &facts);
    if (areas->len == 0) {
        error_set(error, ERROR_STATE,
                  "process %d has no memory that could be huge: is it a QEMU, "
                  "and is it still up?",
                  (int)guest->pid);
        return NULL;
    }
    return g_steal_pointer(&areas);
}

bool
migrate_guest_look(MigrateGuest *guest, GError **error)
{
    g_autoptr(GArray) areas = find_areas(guest, guest->all, error);
    if (!areas) {
        return false;
    }
    g_clear_pointer(&guest->areas, g_array_unref);
    g_clear_pointer(&guest->extents, g_array_unref);
    guest->areas = g_steal_pointer(&areas);
    guest->extents =
        collapse_extents_look(guest->pid, guest->areas, error);
    return guest->extents != NULL;
}

bool
migrate_guest_lives(const MigrateGuest *guest, GError **error)
{
    return !proc_life_has_ended(guest->pidfd, 0) ||
           error_set(error, ERROR_VM_GONE,
                     "the guest, process %d, has ended; nothing was swept",
                     (int)guest->pid);
}

static bool
refuse_ended(GError **error)
{
    return error_set(error, ERROR_VM_GONE,
                     "QEMU ended before the migration was complete: it failed, "
                     "or was given up");
}

/* The monitor closes before the process has ended, and says less. */
static bool
explain_silence(const MigrateGuest *guest, GError *why, GError **error)
{
    if (error_is(why, ERROR_VM_GONE) &&
        proc_life_has_ended(guest->pidfd, GONE_MS)) {
        g_error_free(why);
        return refuse_ended(error);
    }
    g_propagate_prefixed_error(error, why,
                               "while waiting for the end of the migration: ");
    return false;
}

/* False with CANCELLED or VM_GONE; an event of QEMU ends the wait early. */
static bool
wait_a_moment(MigrateGuest *guest, int stop, int ms, GError **error)
{
    struct pollfd fds[] = {
        {.fd = stop, .events = POLLIN},
        {.fd = guest->pidfd, .events = POLLIN},
        {.fd = guest->qmp ? qmp_client_fd(guest->qmp) : -1,
         .events = POLLIN}};
    poll(fds, G_N_ELEMENTS(fds), ms);
    if (fds[0].revents & POLLIN) {
        return error_set(error, ERROR_CANCELLED,
                         "stopped while waiting for the migration; nothing "
                         "was swept");
    }
    if (fds[1].revents & POLLIN) {
        return refuse_ended(error);
    }
    g_autoptr(GError) why = NULL;
    return !fds[2].revents || qmp_client_pump(guest->qmp, &why) ||
           explain_silence(guest, g_steal_pointer(&why), error);
}

static bool
refuse_state(MigrateWatchState state, const char *detail, GError **error)
{
    switch (state) {
    case MIGRATE_WATCH_LEFT:
        return error_set(error, ERROR_STATE,
                         "the guest has left this host: sweep it at the "
                         "destination");
    case MIGRATE_WATCH_FAILED:
        return error_set(error, ERROR_FAILED,
                         "the migration failed (%s); nothing was swept",
                         detail ? detail : "QEMU gives no reason");
    default:
        return error_set(error, ERROR_STATE,
                         "no migration is expected or under way: leave "
                         "--after-migration away to sweep now");
    }
}

/* Until somebody says "completed". */
static bool
await_arrival(MigrateGuest *guest, int stop, GError **error)
{
    MigrateWatchState state = MIGRATE_WATCH_STILL;
    for (;;) {
        g_autofree char *detail = NULL;
        g_autoptr(GError) why = NULL;
        if (!migrate_watch_look(guest->qmp, guest->domain, state, &state,
                                &detail, &why)) {
            if (!error_is(why, ERROR_RETRY)) {
                return explain_silence(guest, g_steal_pointer(&why), error);
            }
        } else if (state == MIGRATE_WATCH_ARRIVED) {
            return true;
        } else if (state != MIGRATE_WATCH_BUSY) {
            return refuse_state(state, detail, error);
        }
        if (!wait_a_moment(guest, stop, LOOK_MS, error)) {
            return false;
        }
    }
}

static bool
is_guarded(GArray *areas)
{
    for (guint i = 0; i < areas->len; i++) {
        if (g_array_index(areas, CollapseArea, i).hindrance ==
            COLLAPSE_OUTCOME_USERFAULTFD) {
            return true;
        }
    }
    return false;
}

/* QEMU says "completed" when the guest runs and its part is done. A move by
 * postlude itself goes on after that, until the last page is here and the
 * userfaultfd is closed; if its receiver is dead, until somebody helps. Only
 * guest RAM counts: other memory of QEMU may have a userfaultfd for good. Nor
 * is MADV_NOHUGEPAGE waited for: QEMU has lifted its own by then, and who else
 * has set it does not take it back. */
static bool
await_last_page(MigrateGuest *guest, int stop, GError **error)
{
    bool told = false;
    for (;;) {
        g_autoptr(GArray) areas = find_areas(guest, false, error);
        if (!areas || !is_guarded(areas)) {
            return areas != NULL;
        }
        if (!told) {
            g_message("QEMU says that the migration is complete, but its RAM "
                      "is still guarded by a userfaultfd: waiting for the "
                      "last page. If postlude moves the guest, 'postlude "
                      "status' tells how far it is; if its receiver has died, "
                      "run 'postlude receive --resume'");
            told = true;
        }
        if (!wait_a_moment(guest, stop, GUARD_MS, error)) {
            return false;
        }
    }
}

bool
migrate_guest_await(MigrateGuest *guest, int stop, bool quiet, GError **error)
{
    if (!guest->qmp && !guest->domain) {
        return error_set(error, ERROR_USAGE,
                         "--after-migration needs --qmp PATH or --domain "
                         "NAME: from outside a process does not tell that its "
                         "migration is complete");
    }
    if (!quiet) {
        g_message("waiting for the end of the migration");
    }
    return await_arrival(guest, stop, error) &&
           await_last_page(guest, stop, error);
}

bool
migrate_guest_moves(MigrateGuest *guest, char **words)
{
    MigrateWatchState state = MIGRATE_WATCH_STILL;
    g_autoptr(GError) why = NULL;
    if (!migrate_watch_look(guest->qmp, guest->domain, MIGRATE_WATCH_STILL,
                            &state, NULL, &why)) {
        g_debug("cannot ask for migrations: %s", why->message);
        if (error_is(why, ERROR_VM_GONE)) {
            g_clear_pointer(&guest->qmp, qmp_client_close);
        }
        return false;
    }
    if (state != MIGRATE_WATCH_BUSY && state != MIGRATE_WATCH_LEFT) {
        return false;
    }
    *words = g_strdup(state == MIGRATE_WATCH_LEFT
                          ? "the guest has left this host"
                          : "a migration of the guest is under way");
    return true;
}
