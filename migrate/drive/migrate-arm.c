/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arming the destination: see migrate-arm.h.
 *
 * The order matters. Files are emptied while nobody needs their contents (the
 * guest is not here yet). Folios are laid before the registration, because
 * MADV_COLLAPSE refuses to fill holes of a file that is registered MISSING.
 * The registration comes before *armed*, and after it we look whether QEMU
 * has a page mapped already, which would not fault and be read as zeros.
 */
#include "migrate/drive/migrate-arm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-lay.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/takeover/migrate-archive.h"
#include "uffd/uffd-fd.h"

#define ASK_MS 500

static bool
empty_file(const MigrateBlock *block, GError **error)
{
    if (fallocate(block->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)block->file_offset, (off_t)block->bytes) < 0) {
        return error_set_errno(error, errno, "empty RAM block '%s'",
                               block->name);
    }
    return true;
}

/* From now on what is in the files is ours: nobody but us may need it. */
static bool
empty_files(MigrateSession *session, GError **error)
{
    session->destination.emptied = true;
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        if (!empty_file(&session->guest.ram->blocks[i], error)) {
            return false;
        }
    }
    return true;
}

/* A helper that died while armed left its descriptor in QEMU, and with it the
 * registration, which would make ours fail with EBUSY. QEMU waits for a guest
 * and uses none itself, so it can only be that. */
static bool
close_leftovers(MigrateSession *session, GError **error)
{
    g_autoptr(GArray) old = attach_list_userfaultfds(session->guest.pid, error);
    for (guint i = 0; old && i < old->len; i++) {
        int fd = g_array_index(old, int, i);
        g_message("closing userfaultfd %d that an earlier helper left in QEMU",
                  fd);
        if (!attach_close_userfaultfd(session->guest.pid, fd, error)) {
            return false;
        }
    }
    return old != NULL;
}

/* The cgroup's limit (EBUSY: mm/khugepaged.c, a charge that fails) or a full
 * tmpfs, and not just the want of a huge page. */
static bool
is_at_limit(const CollapseErrors *errors)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors->kinds); i++) {
        if (errors->kinds[i].count > 0 && (errors->kinds[i].errnum == EBUSY ||
                                           errors->kinds[i].errnum == ENOSPC)) {
            return true;
        }
    }
    return false;
}

/* What was laid up to the limit leaves no room for the small pages of the
 * other extents: the kernel would kill QEMU for want of it, when the guest
 * already runs here. In small pages the guest takes what it took at the
 * source, and nobody knows of more that would fit. */
static void
give_back(MigrateSession *session, uint8_t **laid, CollapseLayResult *result)
{
    empty_files(session, NULL);
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        memset(laid[i], 0, session->guest.ram->blocks[i].extents);
    }
    result->laid_extents = 0;
}

static void
warn_of_small(MigrateSession *session, const CollapseLayResult *result)
{
    g_warning("no huge page for %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
              " extents (%s): %s",
              result->failed_extents,
              result->failed_extents + result->laid_extents,
              error_errno_name(result->errors.kinds[0].errnum),
              is_at_limit(&result->errors)
                  ? "the limit of QEMU's memory cgroup, or of the tmpfs, is too "
                    "low for the guest in huge pages, so all of it arrives in "
                    "small ones; raise the limit above the size of its RAM, "
                    "then run 'postlude collapse'"
                  : "they arrive in small pages and are swept at the end");
}

static uint64_t
count_wanted(const MigrateSession *session, unsigned block)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < session->guest.ram->blocks[block].extents; i++) {
        n += session->destination.wanted[block][i] != 0;
    }
    return n;
}

/* It takes a second for every few GiB, in which progress is to be seen, status
 * to be answered and a signal to be obeyed. Once round is enough: a connection
 * with something to read is ready as long as nobody reads. */
static bool
watch_laying(uint64_t tried, gpointer data)
{
    MigrateSession *session = data;
    session->destination.tried_extents = tried;
    g_main_context_iteration(NULL, false);
    return !session->operator.interrupted;
}

/* Huge pages need an aligned mapping; without one the folios would only cost
 * memory, so such a block takes the path of small extents. */
static bool
arm_lay(MigrateSession *session, uint8_t **laid, GError **error)
{
    unsigned n = session->guest.ram->n_blocks;
    g_autofree CollapseLayBlock *blocks = g_new0(CollapseLayBlock, n);
    unsigned used = 0;
    for (unsigned i = 0; i < n; i++) {
        MigrateBlock *block = &session->guest.ram->blocks[i];
        laid[i] = g_malloc0(block->extents);
        if (block->aligned) {
            blocks[used++] = (CollapseLayBlock){
                .file = block->file,
                .offset = block->file_offset,
                .bytes = block->bytes,
                .wanted = session->destination.wanted[i],
                .laid = laid[i],
            };
            session->destination.lay_extents += count_wanted(session, i);
        }
    }
    CollapseLayResult result = {0};
    if (used > 0 &&
        !collapse_lay_watched(blocks, used, session->guest.pid, watch_laying,
                              session, &result, error)) {
        return false;
    }
    session->destination.lay_extents = 0;
    session->report.huge.lay_ns = result.ns;
    collapse_errors_merge(&session->report.huge.failed, &result.errors);
    if (result.failed_extents > 0) {
        warn_of_small(session, &result);
    }
    if (is_at_limit(&result.errors)) {
        session->destination.at_limit = true;
        give_back(session, laid, &result);
    }
    session->report.huge.laid_extents = result.laid_extents;
    return true;
}

/* QEMU may be unprivileged: then it may use a /dev/userfaultfd that we open
 * and hand it. That way is tried first, because it needs no sysctl. */
static int
create_from_device(MigrateSession *session, GError **error)
{
    autofd device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fdset, number;
    if (device < 0) {
        error_set_errno(error, errno, "open /dev/userfaultfd");
        return -1;
    }
    if (!qmp_qemu_add_fd(session->guest.qmp, device, &fdset, &number, error)) {
        return -1;
    }
    int uffd = attach_create_userfaultfd_from_device(
        session->guest.pid, number, &session->destination.remote_uffd, error);
    qmp_qemu_remove_fdset(session->guest.qmp, fdset, NULL);
    return uffd;
}

static bool
create_userfaultfd(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    session->destination.uffd = create_from_device(session, &why);
    if (session->destination.uffd < 0) {
        g_debug("by way of /dev/userfaultfd: %s", why->message);
        session->destination.uffd = attach_create_userfaultfd(
            session->guest.pid, &session->destination.remote_uffd, error);
    }
    return session->destination.uffd >= 0 &&
           uffd_fd_handshake(session->destination.uffd, error);
}

static bool
register_blocks(MigrateSession *session, GError **error)
{
    session->destination.regions = uffd_regions_new();
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        if (!uffd_regions_add(session->destination.regions, i, block->hva,
                              block->bytes, error) ||
            !uffd_fd_register(session->destination.uffd, block->hva,
                              block->bytes, error)) {
            g_prefix_error(error, "RAM block '%s': ", block->name);
            return false;
        }
    }
    return true;
}

static bool
check_nothing_mapped(MigrateSession *session, GError **error)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        CollapseCoverage coverage;
        if (!collapse_account_range(session->guest.pid, block->hva,
                                    block->bytes, &coverage, error)) {
            return false;
        }
        if (coverage.rss_bytes > 0) {
            return error_set(error, ERROR_STATE,
                             "QEMU touched %" G_GUINT64_FORMAT " KiB of RAM "
                             "block '%s' while we were arming; try again",
                             coverage.rss_bytes / 1024, block->name);
        }
    }
    return true;
}

/* In a file that outlives us; without one (no run-time directory) the migration
 * goes on, and nobody could take over from us. */
static MigratePages *
make_pages(MigrateSession *session, uint8_t **laid, GError **error)
{
    g_autoptr(GError) why = NULL;
    autofd memory = -1;
    session->archive =
        migrate_archive_open(MIGRATE_RECEIVE, session->guest.pid,
                             session->guest.started, &why);
    if (session->archive) {
        memory = migrate_archive_new_pages(session->archive, &why);
    }
    if (memory >= 0) {
        return migrate_pages_new_in(session->guest.ram, laid,
                                    session->destination.uffd, memory,
                                    &session->alarm, error);
    }
    g_warning("crash recovery is off: %s", why->message);
    g_clear_pointer(&session->archive, migrate_archive_remove);
    return migrate_pages_new(session->guest.ram, laid,
                             session->destination.uffd, &session->alarm, error);
}

/* Nobody to stay outside: then all of us has to; a guest
 * that waits for its memory must not be left alone. */
static bool
arm_confine(MigrateSession *session, GError **error)
{
    const MigrateOptions *options = &session->options;
    g_autoptr(GError) why = NULL;
    if (options->no_confine) {
        return true;
    }
    session->destination.attendant = migrate_attendant_start(
        session->guest.pid, session->destination.remote_uffd, &why);
    if (session->destination.attendant) {
        return migrate_confine_helper(&session->options, &session->report_file,
                                      error);
    }
    if (options->require_confine) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    g_warning("this helper is not confined: %s", why->message);
    return true;
}

/* Before the threads: see migrate-confine.c. What has to be read later is
 * opened now. */
bool
migrate_arm_confine(MigrateSession *session, GError **error)
{
    MigrateShortage *shortage =
        migrate_pages_shortage(session->destination.pages);
    g_autoptr(GError) why = NULL;
    migrate_shortage_mind(shortage, collapse_margin_open(session->guest.pid));
    if (!arm_confine(session, error)) {
        return false;
    }
    while (!migrate_shortage_start(shortage, &why)) {
        if (!migrate_wait_outlast(session, &why, error)) {
            return false;
        }
    }
    return true;
}

static bool
start_fault_thread(MigrateSession *session, uint8_t **laid, GError **error)
{
    session->destination.target =
        collapse_target_open(session->guest.pid, error);
    if (!session->destination.target ||
        !migrate_ram_map(session->guest.ram, true, error)) {
        return false;
    }
    session->destination.pages = make_pages(session, laid, error);
    if (!session->destination.pages || !migrate_arm_confine(session, error)) {
        return false;
    }
    session->destination.huge = migrate_huge_start(
        session->destination.pages, session->destination.target, error);
    if (!session->destination.huge) {
        return false;
    }
    session->destination.fault = migrate_fault_start(
        session->destination.uffd, session->destination.regions,
        session->peer.urgent, session->destination.pages, &session->alarm);
    return session->destination.fault ||
           migrate_alarm_take(&session->alarm, error);
}

/* Directly before something is closed or emptied, and once more when all is
 * done: somebody may have given this QEMU another guest since it was looked
 * at. */
static bool
still_waits(MigrateSession *session, GError **error)
{
    return migrate_recheck_idle(session, error) &&
           migrate_recheck_run_state(session, error) &&
           migrate_recheck_blocks(session, error);
}

bool
migrate_arm(MigrateSession *session, GError **error)
{
    g_autofree uint8_t **laid = g_new0(uint8_t *, session->guest.ram->n_blocks);
    bool ok =
        still_waits(session, error) && close_leftovers(session, error) &&
        empty_files(session, error) && arm_lay(session, laid, error) &&
        create_userfaultfd(session, error) && register_blocks(session, error) &&
        check_nothing_mapped(session, error) &&
        start_fault_thread(session, laid, error) && still_waits(session, error);
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        g_free(laid[i]); /* NULL where the page states took it over */
    }
    return ok;
}

static void
unregister_blocks(MigrateSession *session)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        g_autoptr(GError) why = NULL;
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        if (!uffd_fd_unregister(session->destination.uffd, block->hva,
                                block->bytes, &why)) {
            g_debug("%s", why->message); /* never registered, or QEMU is gone */
        }
    }
}

static bool
close_remote(MigrateSession *session, GError **error)
{
    return session->destination.attendant
               ? migrate_attendant_close(session->destination.attendant, error)
               : attach_close_userfaultfd(session->guest.pid,
                                          session->destination.remote_uffd,
                                          error);
}

static bool
close_in_qemu(MigrateSession *session, GError **error)
{
    bool ok = session->destination.remote_uffd < 0 || session->guest.gone ||
              close_remote(session, error);
    session->destination.remote_uffd = -1;
    return ok;
}

bool
migrate_arm_release(MigrateSession *session, GError **error)
{
    unregister_blocks(session);
    /* The fault thread reads on until the copy in QEMU is closed: a discard
     * that was announced just before holds up QEMU's thread until it is read,
     * and a thread that is held up cannot be borrowed. */
    bool ok = close_in_qemu(session, error);
    migrate_fault_stop(g_steal_pointer(&session->destination.fault),
                       &session->destination.tally);
    fd_clear(&session->destination.uffd);
    return ok;
}

/* A guest that somebody started here is not helped by zeros. QEMU's main loop
 * may wait for a page that will not come now: then it does not answer, and its
 * guest does not run. */
static bool
runs_here(MigrateSession *session)
{
    if (!session->guest.qmp || session->guest.gone) {
        return false;
    }
    qmp_client_set_timeout(session->guest.qmp, ASK_MS);
    g_autofree char *state = qmp_qemu_run_state(session->guest.qmp, NULL);
    qmp_client_set_timeout(session->guest.qmp, QMP_CLIENT_DEFAULT_TIMEOUT_MS);
    return g_strcmp0(state, "running") == 0;
}

void
migrate_disarm(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    bool armed =
        session->destination.emptied || session->destination.uffd >= 0;
    if (armed && runs_here(session)) {
        g_warning("the guest in QEMU %d was started, not by postlude, "
                  "before it had its memory; postlude leaves this QEMU as "
                  "it is: end it",
                  (int)session->guest.pid);
        return;
    }
    /* Before it is let go, and once: QEMU may have been given another guest
     * meanwhile, which waits at its first page for as long as we are armed, and
     * goes on to fill the files from then on. */
    if (session->destination.emptied) {
        empty_files(session, NULL);
        session->destination.emptied = false;
    }
    if (session->destination.uffd >= 0 &&
        !migrate_arm_release(session, &why)) {
        g_warning("%s", why->message);
    }
    migrate_ram_unmap(session->guest.ram);
}
