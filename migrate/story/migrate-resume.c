/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over: see migrate-resume.h.
 *
 * The destination's order matters. The page states are put right while no
 * thread of ours lives; then the descriptor is read again, so that no fault
 * goes unheard; and only then everybody who waits is woken, once: a guest
 * thread whose event was read by the dead helper faults again and is heard.
 * To wake without mapping is safe here because the memory is registered: who
 * is woken traps again.
 */
#include "migrate/story/migrate-resume.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/device/migrate-monitor.h"
#include "migrate/drive/migrate-arm.h"
#include "migrate/drive/migrate-driver.h"
#include "migrate/drive/migrate-put-down.h"
#include "migrate/link/migrate-lobby.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/link/migrate-trust.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-holder.h"
#include "migrate/session/migrate-measure.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-twice.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-fdstore.h"
#include "migrate/takeover/migrate-keeper.h"
#include "uffd/uffd-fd.h"

#define CLEAN_MS 5000

/* What the command line says of it counts; the peer's demands have not changed,
 * but a key may have moved. */
static void
take_trust(MigrateOptions *options, MigrateOptions *old)
{
    if (options->tls || options->tls_creds || options->tls_psk) {
        /* Not to name the peer again must not open the door to all others. */
        if (!options->tls_name && options->role == MIGRATE_SEND) {
            options->tls_name = g_steal_pointer(&old->tls_name);
        }
        return;
    }
    options->tls = old->tls;
    options->tls_creds = g_steal_pointer(&old->tls_creds);
    options->tls_psk = g_steal_pointer(&old->tls_psk);
    options->tls_name = g_steal_pointer(&old->tls_name);
}

bool
migrate_resume_find(MigrateOptions *options, MigrateJournal *journal,
                    GError **error)
{
    if (!migrate_archive_find(options, journal, error)) {
        return false;
    }
    MigrateOptions *old = &journal->options;
    /* The one that was given leads to the same place, maybe by a shorter way. */
    if (!options->qmp_path) {
        options->qmp_path = g_steal_pointer(&old->qmp_path);
    }
    g_free(options->address);
    options->address = g_steal_pointer(&old->address);
    options->known = g_steal_pointer(&old->known);
    if (!options->report_path) {
        options->report_path = g_steal_pointer(&old->report_path);
    }
    options->pid = journal->qemu_pid;
    options->insecure = old->insecure;
    take_trust(options, old);
    options->paused = old->paused;
    options->follow = old->follow;
    return true;
}

/* Found without a lock; who else found it may have ended its work since. */
static bool
claim(MigrateSession *session, GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    g_autoptr(GError) why = NULL;
    MigrateRole role = session->options.role;
    session->claim = migrate_claim_take(
        session->pid, session->qemu_started,
        role == MIGRATE_SEND ? "send" : "receive", error);
    if (!session->claim) {
        return false;
    }
    bool same = migrate_archive_read(role, session->pid,
                                     session->qemu_started, &journal, &why) &&
                memcmp(journal.session, session->session,
                       sizeof journal.session) == 0;
    if (!same) {
        g_clear_pointer(&session->claim, migrate_claim_drop);
    }
    return same || error_set(error, ERROR_STATE,
                             "somebody else took over from it, and has ended "
                             "meanwhile%s%s",
                             why ? ": " : "", why ? why->message : "");
}

static bool
open_archive(MigrateSession *session, GError **error)
{
    if (!claim(session, error)) {
        session->past_no_return = false; /* not for this process */
        return false;
    }
    session->archive = migrate_archive_open(session->options.role,
                                            session->pid,
                                            session->qemu_started, error);
    session->report.vm_name = g_strdup(session->identity.name);
    session->report.vm_uuid = g_strdup(session->identity.uuid);
    session->report.ram_bytes = session->ram->bytes;
    return session->archive != NULL;
}

static bool
is_open_in(pid_t pid, int number)
{
    g_autoptr(GArray) all = attach_list_userfaultfds(pid, NULL);
    for (guint i = 0; all && i < all->len; i++) {
        if (g_array_index(all, int, i) == number) {
            return true;
        }
    }
    return false;
}

static bool
add_regions(MigrateSession *session, GError **error)
{
    session->destination.regions = uffd_regions_new();
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        if (!uffd_regions_add(session->destination.regions, i, block->hva,
                              block->bytes, error)) {
            return false;
        }
    }
    return true;
}

static bool
adopt_pages(MigrateSession *session, GError **error)
{
    autofd memory = migrate_archive_old_pages(session->archive, error);
    if (memory < 0 || !migrate_ram_map(session->ram, true, error)) {
        return false;
    }
    session->destination.target =
        collapse_target_open(session->pid, error);
    session->destination.pages =
        session->destination.target
            ? migrate_pages_adopt(session->ram, session->destination.uffd,
                                  memory, &session->alarm, error)
            : NULL;
    if (!session->destination.pages || !migrate_arm_confine(session, error)) {
        return false;
    }
    migrate_measure_settle_pages(session);
    g_autoptr(GError) why = NULL;
    while (!(session->destination.huge = migrate_huge_start(
                 session->destination.pages, session->destination.target,
                 &why))) {
        if (!migrate_session_outlast(session, &why, error)) {
            return false;
        }
    }
    migrate_pages_offer_again(session->destination.pages);
    return true;
}

/* Killed while it let QEMU go, the old helper may have closed the descriptor
 * there already: then every page was PRESENT, and there is nothing to guard. */
static bool
take_userfaultfd(MigrateSession *session, GError **error)
{
    int number = session->destination.remote_uffd;
    if (!is_open_in(session->pid, number)) {
        session->destination.remote_uffd = -1;
        return true;
    }
    session->destination.uffd = attach_copy_fd(session->pid, number, error);
    return session->destination.uffd >= 0;
}

static bool
wake_all(MigrateSession *session, GError **error)
{
    if (session->destination.uffd < 0) {
        return migrate_pages_complete(session->destination.pages) ||
               error_set(error, ERROR_STATE,
                         "the userfaultfd is gone from QEMU %d, and pages are "
                         "missing: this guest cannot be helped any more",
                         (int)session->pid);
    }
    while (!(session->destination.fault = migrate_fault_start(
                 session->destination.uffd, session->destination.regions, NULL,
                 session->destination.pages, &session->alarm))) {
        g_autoptr(GError) why = NULL;
        if (migrate_alarm_take(&session->alarm, &why) ||
            !migrate_session_outlast(session, &why, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        uffd_fd_wake(session->destination.uffd, block->hva, block->bytes);
    }
    return true;
}

static bool
guard_again(MigrateSession *session, GError **error)
{
    session->pidfd =
        proc_life_open(session->pid, session->qemu_started, error);
    session->qemu_gone = session->pidfd < 0;
    if (!session->qemu_gone) {
        migrate_put_down_take_back(session);
    }
    session->destination.wanted =
        g_new0(uint8_t *, session->ram->n_blocks);
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        session->destination.wanted[i] =
            g_malloc0(session->ram->blocks[i].extents);
    }
    return !session->qemu_gone && open_archive(session, error) &&
           migrate_ram_reopen(session->ram, session->pid, true, error) &&
           take_userfaultfd(session, error) && add_regions(session, error) &&
           adopt_pages(session, error) && wake_all(session, error);
}

/* All is here, and the source need not be found again to say so, nor to say
 * which extents hold data: those that do now are what is worth a sweep. */
static void
go_on_alone(MigrateSession *session)
{
    session->driver->go_on(session, NULL);
    for (unsigned i = 0; i < session->ram->n_blocks; i++) {
        const MigrateBlock *block = &session->ram->blocks[i];
        g_autofree uint8_t *data = migrate_ram_data_extents(block, NULL);
        for (uint32_t e = 0; data && e < block->extents; e++) {
            session->destination.wanted[i][e] = data[e / 8] >> (e % 8) & 1;
        }
    }
}

void
migrate_resume_undo_destination(MigrateSession *session)
{
    if (!session->claim) {
        return; /* somebody else's work */
    }
    session->driver->destination_undo(session);
    migrate_qemu_clean(session);
}

/* The dead helper may have said "cont". Until QEMU says that the guest does not
 * run here nothing may be taken back: neither the memory, which would be the
 * running guest's, nor the word to the source, which would start it there. A
 * "cont" that was under way is over when a new connection is answered: the
 * monitor takes one command after the other and drops a lost connection's
 * (monitor/qmp.c). */
static void
settle_start(MigrateSession *session, bool known)
{
    if (!known && session->destination.starting) {
        session->past_no_return = session->resumed = migrate_qemu_may_run(session);
    }
    if (session->past_no_return) {
        migrate_commit_anyway(session);
    }
}

/* While it looked for its source. */
static bool
ended_meanwhile(MigrateSession *session, bool known, GError **error)
{
    if (!known || !session->qemu_gone) {
        return false;
    }
    g_clear_error(error);
    migrate_ending_note(session);
    return true;
}

static bool
has_ended(const MigrateSession *session)
{
    autofd pidfd =
        proc_life_open(session->pid, session->qemu_started, NULL);
    return pidfd < 0;
}

/* Nobody is left to be helped, but the source still holds memory for this guest,
 * and nobody else will tell it. */
static bool
take_word_over(MigrateSession *session, GError **error)
{
    if (!open_archive(session, error) ||
        !migrate_confine_helper(&session->options,
                                &session->report_file, error)) {
        return false;
    }
    migrate_ending_note_old(session);
    g_message("QEMU %d has ended; the source is told that its memory is not "
              "needed any more",
              (int)session->pid);
    return true;
}

bool
migrate_resume_destination(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool known = session->past_no_return;
    /* Whatever goes wrong before we could ask takes nothing back either. */
    session->past_no_return |= session->destination.starting;
    if (!migrate_trust_take_address(session, error)) {
        return false;
    }
    if (known && has_ended(session) && session->driver->has_run(session)) {
        return take_word_over(session, error);
    }
    if (!guard_again(session, error) ||
        !session->driver->check_not_started(session, known, error)) {
        return false;
    }
    session->destination.emptied = true;
    settle_start(session, known);
    if (session->past_no_return &&
        migrate_pages_complete(session->destination.pages)) {
        go_on_alone(session);
        return true;
    }
    error_set(&why, ERROR_PEER_GONE, "taking over from a receiver that ended");
    if (!migrate_rejoin(session, why, error)) {
        return ended_meanwhile(session, known, error);
    }
    return session->driver->go_on(session, error);
}

/* In the order of who is likely to have them: systemd gave them to us at the
 * start; the keeper; QEMU, if it lives. */
static bool
reopen_source(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *keeper =
        migrate_archive_keeper_path(session->pid, session->qemu_started);
    migrate_fdstore_fetch(session->ram);
    bool is_kept = migrate_keeper_fetch(keeper, session->ram, &why);
    if (!is_kept) {
        g_debug("%s", why->message);
    }
    if (!migrate_ram_reopen(session->ram, session->pid, false, error)) {
        g_prefix_error(error, "nobody holds the guest's memory any more "
                              "(QEMU, the keeper, systemd): ");
        return false;
    }
    migrate_holder_renew(session, keeper, is_kept);
    return migrate_ram_map(session->ram, false, error);
}

static void
find_qemu(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    session->pidfd =
        proc_life_open(session->pid, session->qemu_started, &why);
    session->qemu_gone = session->pidfd < 0;
    if (session->qemu_gone) {
        g_message("the source's QEMU has ended (%s); its memory is held here",
                  why->message);
    }
}

/* The point of no return is said by us, but with --follow by QEMU: then it may
 * have been passed while nobody was here to note it. */
static bool
was_passed_since(MigrateSession *session, GError **error)
{
    if (session->driver->was_passed_unseen(session, error)) {
        return true;
    }
    return !session->source.unasked &&
           error_set(error, ERROR_CANCELLED, "the sender ended %s: what it "
                     "had begun is taken back",
                     session->refused
                         ? "when the destination had said that the guest did "
                           "not start there"
                         : "before the point of no return");
}

void
migrate_resume_undo_source(MigrateSession *session)
{
    if (!session->claim) {
        return; /* somebody else's work */
    }
    if (session->source.unasked && !session->qemu_gone) {
        g_warning("QEMU cannot be asked, so nothing was decided: what the "
                  "sender had begun is still to be taken back; run 'postlude "
                  "send --resume' again when QEMU's monitor answers");
        g_clear_pointer(&session->archive, migrate_archive_close);
    } else if (session->qemu_gone) {
        g_warning("the source's QEMU has ended by itself");
    } else {
        session->driver->source_undo(session);
    }
}

/* The guest has gone over, and QEMU calls it so until somebody starts it, while
 * nobody was here to hear QEMU say that; also if it was stopped again since. */
static void
look_whether_it_ran_here_too(MigrateSession *session)
{
    g_autofree char *state =
        session->qmp && !session->qemu_gone
            ? qmp_qemu_run_state(session->qmp, NULL)
            : NULL;
    if (state && !g_str_equal(state, "postmigrate") &&
        !g_str_equal(state, "finish-migrate")) {
        session->source.ran_again = true;
        migrate_twice_watch(session);
    }
}

bool
migrate_resume_source(MigrateSession *session, GError **error)
{
    find_qemu(session);
    if (!open_archive(session, error)) {
        return false;
    }
    if (!session->past_no_return && !was_passed_since(session, error)) {
        return false;
    }
    migrate_commit_anyway(session);
    if (!reopen_source(session, error) ||
        !migrate_lobby_listen(session, error) ||
        !migrate_lobby_open_door(session, error) ||
        !session->driver->wait_running(session, error)) {
        return false;
    }
    migrate_qemu_clean(session);
    look_whether_it_ran_here_too(session);
    return true;
}

static bool
end_qemu(const MigrateJournal *journal, GError **error)
{
    g_autoptr(GError) why = NULL;
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, &why);
    return error_is(why, ERROR_VM_GONE) || /* by itself, and was not told */
           (pidfd >= 0 &&
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0) ||
           error_set(error, ERROR_FAILED, "cannot end QEMU %d",
                     (int)journal->qemu_pid);
}

/* QEMU may live, and a later migration must not leave out its RAM. */
static void
clean_left(const MigrateJournal *journal)
{
    g_autoptr(GError) why = NULL;
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, NULL);
    if (pidfd < 0) {
        return;
    }
    g_autoptr(QmpClient) qmp =
        qmp_client_open(journal->options.qmp_path, CLEAN_MS, &why);
    if (!qmp || !migrate_monitor_belongs_to(qmp, journal->qemu_pid, &why) ||
        !migrate_capability_clear(qmp, &why)) {
        g_warning("x-ignore-shared may still be on in QEMU %d: %s; switch it "
                  "off before its next migration (docs/failure.md)",
                  (int)journal->qemu_pid, why->message);
    }
}

static bool
let_go(const MigrateJournal *journal, GError **error)
{
    g_autoptr(MigrateClaim) claim = migrate_claim_take(
        journal->qemu_pid, journal->qemu_started, "send", error);
    MigrateArchive *archive =
        claim ? migrate_archive_open(MIGRATE_SEND, journal->qemu_pid,
                                     journal->qemu_started, error)
              : NULL;
    if (!archive) {
        g_prefix_error(error, "end it first (kill -9): ");
        return false;
    }
    g_autofree char *keeper =
        migrate_archive_keeper_path(journal->qemu_pid,
                                    journal->qemu_started);
    migrate_keeper_release(keeper);
    clean_left(journal);
    migrate_archive_remove(archive);
    return true;
}

bool
migrate_resume_give_up(const MigrateOptions *options, GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    if (!migrate_archive_find(options, &journal, error)) {
        return false;
    }
    MigrateRole role = options->role;
    if (role == MIGRATE_SEND) {
        return let_go(&journal, error);
    }
    if (!end_qemu(&journal, error)) {
        return false;
    }
    /* A receiver at work sees that and cleans up by itself. */
    g_autoptr(MigrateClaim) claim = migrate_claim_take(
        journal.qemu_pid, journal.qemu_started, "receive", NULL);
    MigrateArchive *archive =
        claim ? migrate_archive_open(role, journal.qemu_pid,
                                     journal.qemu_started, NULL)
              : NULL;
    if (archive) {
        migrate_archive_remove(archive);
    }
    return true;
}
