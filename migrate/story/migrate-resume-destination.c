/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over at the destination: see migrate-resume-destination.h.
 *
 * The destination's order matters. The page states are put right while no
 * thread of ours lives; then the descriptor is read again, so that no fault
 * goes unheard; and only then everybody who waits is woken, once: a guest
 * thread whose event was read by the dead helper faults again and is heard.
 * To wake without mapping is safe here because the memory is registered: who
 * is woken traps again.
 */
#include "migrate/story/migrate-resume-destination.h"

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/core/migrate-trust.h"
#include "migrate/drive/migrate-arm.h"
#include "migrate/drive/migrate-driver.h"
#include "migrate/drive/migrate-put-down.h"
#include "migrate/link/migrate-rejoin.h"
#include "migrate/session/migrate-commit.h"
#include "migrate/session/migrate-ending.h"
#include "migrate/session/migrate-measure.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/story/migrate-resume.h"
#include "migrate/takeover/migrate-archive.h"
#include "uffd/uffd-fd.h"

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
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
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
    if (memory < 0 || !migrate_ram_map(session->guest.ram, true, error)) {
        return false;
    }
    session->destination.target =
        collapse_target_open(session->guest.pid, error);
    session->destination.pages =
        session->destination.target
            ? migrate_pages_adopt(session->guest.ram, session->destination.uffd,
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
        if (!migrate_wait_outlast(session, &why, error)) {
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
    if (!is_open_in(session->guest.pid, number)) {
        session->destination.remote_uffd = -1;
        return true;
    }
    session->destination.uffd =
        attach_copy_fd(session->guest.pid, number, error);
    return session->destination.uffd >= 0;
}

static bool
wake_all(MigrateSession *session, GError **error)
{
    if (session->destination.uffd < 0) {
        return migrate_pages_complete(session->destination.pages) ||
               error_set(error, ERROR_STATE,
                         "the userfaultfd is gone from QEMU %d, and pages "
                         "are missing: the guest is lost; end this QEMU and "
                         "start the guest from its disks",
                         (int)session->guest.pid);
    }
    while (!(session->destination.fault = migrate_fault_start(
                 session->destination.uffd, session->destination.regions, NULL,
                 session->destination.pages, &session->alarm))) {
        g_autoptr(GError) why = NULL;
        if (migrate_alarm_take(&session->alarm, &why) ||
            !migrate_wait_outlast(session, &why, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        uffd_fd_wake(session->destination.uffd, block->hva, block->bytes);
    }
    return true;
}

static bool
guard_again(MigrateSession *session, GError **error)
{
    session->guest.pidfd =
        proc_life_open(session->guest.pid, session->guest.started, error);
    session->guest.gone = session->guest.pidfd < 0;
    if (!session->guest.gone) {
        migrate_put_down_take_back(session);
    }
    session->destination.wanted =
        g_new0(uint8_t *, session->guest.ram->n_blocks);
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        session->destination.wanted[i] =
            g_malloc0(session->guest.ram->blocks[i].extents);
    }
    return !session->guest.gone && migrate_resume_claim(session, error) &&
           migrate_ram_reopen(session->guest.ram, session->guest.pid, true,
                              error) &&
           take_userfaultfd(session, error) && add_regions(session, error) &&
           adopt_pages(session, error) && wake_all(session, error);
}

/* All is here, and the source need not be found again to say so, nor to say
 * which extents hold data: those that do now are what is worth a sweep. */
static void
go_on_alone(MigrateSession *session)
{
    session->driver->go_on(session, NULL);
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        g_autofree uint8_t *data = migrate_ram_data_extents(block, NULL);
        for (uint32_t e = 0; data && e < block->extents; e++) {
            session->destination.wanted[i][e] = data[e / 8] >> (e % 8) & 1;
        }
    }
}

void
migrate_resume_undo_destination(MigrateSession *session)
{
    if (!session->guest.claim) {
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
        session->past_no_return = session->guest.resumed =
            migrate_qemu_may_run(session);
    }
    if (session->past_no_return) {
        migrate_commit_anyway(session);
    }
}

/* While it looked for its source. */
static bool
ended_meanwhile(MigrateSession *session, bool known, GError **error)
{
    if (!known || !session->guest.gone) {
        return false;
    }
    /* With --follow it may never have been started: then it is the source's,
     * and must not be called dead. */
    if (!session->driver->has_run(session)) {
        session->past_no_return = false;
        g_prefix_error(error, "QEMU ended here, and the guest is not known to "
                              "have run here; ask the source's QEMU: ");
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
        proc_life_open(session->guest.pid, session->guest.started, NULL);
    return pidfd < 0;
}

/* Nobody is left to be helped, but the source still holds memory for this
 * guest, and nobody else will tell it. */
static bool
take_word_over(MigrateSession *session, GError **error)
{
    if (!migrate_resume_claim(session, error) ||
        !migrate_confine_helper(&session->options, &session->report_file,
                                error)) {
        return false;
    }
    migrate_ending_note_old(session);
    g_message("QEMU %d has ended; the source is told that its memory is not "
              "needed any more",
              (int)session->guest.pid);
    return true;
}

bool
migrate_resume_destination(MigrateSession *session, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool known = session->past_no_return;
    /* Whatever goes wrong before we could ask takes nothing back either. */
    session->past_no_return |= session->destination.starting;
    session->peer.address = migrate_trust_address(&session->options, error);
    if (!session->peer.address) {
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
