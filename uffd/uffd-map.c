/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What to do about each answer of the kernel when a final page is to become
 * visible: see uffd-map.h. Fault thread and bulk threads.
 */
#include "uffd/uffd-map.h"

#include <sched.h>

#include "base/range.h"

/* How often a moving answer (EAGAIN, or a hole that is none a moment later) is
 * asked for again before the caller gets the thread back. The mappings change
 * for as long as a madvise() or fork() in QEMU waits for its event to be
 * read, possibly by this very thread: spinning longer could wait for itself. */
#define MAX_TRIES 16

/* CONTINUE says       what it means                           what we do
 * DONE                mapped; the kernel woke the waiters     nothing
 * EEXIST              a PTE or a huge PMD is there, but the   WAKE
 *                     kernel woke nobody
 * EFAULT              nothing in the page cache: a hole, so   ZEROPAGE
 *                     the page is zero
 * EAGAIN              the mappings are changing               again
 *
 * ZEROPAGE says
 * DONE                filled, mapped, woken                   nothing
 * EEXIST              no hole any more, or a huge PMD came    CONTINUE again
 *                     (until 6.10 CONTINUE calls that EFAULT)
 * EAGAIN              as above                                again
 *
 * All else is the caller's. EEXIST may also mean that a page table was just
 * taken away (collapse retracts it): then WAKE wakes a thread that faults
 * again at once, which costs a round and never shows it a wrong byte, because
 * the range is registered MISSING|MINOR. */
static UffdOutcome
map_once(int uffd, uint64_t hva)
{
    UffdOutcome outcome = uffd_fd_continue(uffd, hva, PAGE_BYTES, NULL);
    if (outcome == UFFD_EXISTS) {
        return uffd_fd_wake(uffd, hva, PAGE_BYTES);
    }
    if (outcome != UFFD_NO_PAGE) {
        return outcome;
    }
    outcome = uffd_fd_zero(uffd, hva, PAGE_BYTES);
    return outcome == UFFD_EXISTS ? UFFD_AGAIN : outcome;
}

UffdOutcome
uffd_map_page(int uffd, uint64_t hva)
{
    UffdOutcome outcome = UFFD_AGAIN;
    for (int tries = 0; tries < MAX_TRIES && outcome == UFFD_AGAIN; tries++) {
        if (tries > 0) {
            sched_yield();
        }
        outcome = map_once(uffd, hva);
    }
    /* ZEROPAGE answers EFAULT only for an address that is not the target's. */
    return outcome == UFFD_NO_PAGE ? UFFD_NO_RANGE : outcome;
}
