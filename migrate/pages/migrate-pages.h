/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's pages: where each is on its way, how its bytes get into
 * the RAM file, how it becomes visible to the guest, and when its extent
 * becomes huge. Called by the fault thread and by the bulk threads at once.
 *
 * Two kinds of extent:
 *  laid   a 2 MiB folio lies under it already. Bytes are written into the page
 *         cache (through our view or by pwrite); the guest maps a page by
 *         UFFDIO_CONTINUE, and the whole extent by MADV_COLLAPSE once all of
 *         its pages are PRESENT, which only installs one page-table entry.
 *  small  no folio. Bytes go in by UFFDIO_COPY, which allocates, fills and
 *         maps in one step and charges QEMU's cgroup, not ours. A zero page
 *         stays a hole until the guest touches it.
 * In both, invariants 1 to 3 of base/page-state.h hold.
 */
#pragma once

#include "base/page-state.h"
#include "migrate/core/migrate-alarm.h"
#include "migrate/pages/migrate-shortage.h"
#include "migrate/pages/migrate-tally.h"
#include "migrate/pages/migrate-waiters.h"
#include "migrate/ram/migrate-ram.h"

typedef struct MigratePages MigratePages;

/* RAM must be mapped writable and outlive it. LAID: per block, per extent,
 * taken over. UFFD is borrowed. ALARM is woken when the last page
 * is PRESENT. */
MigratePages *migrate_pages_new(const MigrateRam *ram, uint8_t **laid,
                                int uffd, MigrateAlarm *alarm,
                                GError **error);

/* The same with the states in MEMORY, a file that outlives us (borrowed; it is
 * made as long as it must be). */
MigratePages *migrate_pages_new_in(const MigrateRam *ram, uint8_t **laid,
                                   int uffd, int memory, MigrateAlarm *alarm,
                                   GError **error);

/* Takes over what a helper that died left in MEMORY; its threads are gone. What
 * it was filling is ABSENT again, unless the kernel had mapped it (see
 * migrate-placer.c); nothing counts as asked. Then migrate_pages_on_complete()
 * and migrate_pages_offer_again(). PROTOCOL: MEMORY is not of this RAM. */
MigratePages *migrate_pages_adopt(const MigrateRam *ram, int uffd, int memory,
                                  MigrateAlarm *alarm, GError **error);

/* Says of each laid extent that is complete that it is. */
void migrate_pages_offer_again(MigratePages *pages);

/* To be called, by whichever thread brought the last page, for each laid
 * extent that is complete; it must neither wait nor allocate. Set before any
 * page can arrive. */
void migrate_pages_on_complete(MigratePages *pages,
                               void (*call)(void *data, unsigned block,
                                            uint32_t extent),
                               void *data);
void migrate_pages_free(MigratePages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigratePages, migrate_pages_free)

const MigrateRam *migrate_pages_ram(const MigratePages *pages);
PageState *migrate_pages_states(MigratePages *pages, unsigned block);
bool migrate_pages_is_laid(const MigratePages *pages, unsigned block,
                           uint32_t extent);

/* Where PAGE and what follows it in its extent are received after a claim, for
 * migrate_pages_finish(); NULL: elsewhere, for migrate_pages_copy(). */
uint8_t *migrate_pages_room(const MigratePages *pages, unsigned block,
                            uint64_t page);

MigrateWaiters *migrate_pages_waiters(MigratePages *pages);
MigrateShortage *migrate_pages_shortage(MigratePages *pages);

/* Marks all pages of an extent that is a hole at the source. */
void migrate_pages_hole(MigratePages *pages, unsigned block, uint32_t extent,
                        MigrateTally *tally);

/* The page is zero (announced). True unless QEMU is gone. */
bool migrate_pages_zero(MigratePages *pages, unsigned block, uint64_t page,
                        MigrateTally *tally, GError **error);

/* A whole page arrived in BYTES (4096, our memory): if it is ABSENT it is
 * stored and made visible to who waits; otherwise it is a duplicate.
 * Fault thread: where there is no memory for it now it is given up, to be asked
 * for again, because that thread must not wait. */
bool migrate_pages_store(MigratePages *pages, unsigned block, uint64_t page,
                         const void *bytes, MigrateTally *tally,
                         GError **error);

/* After a claim: the N pages from FIRST are final in the page cache (laid
 * extents): PRESENT, map those that are wanted, say if an extent is complete. */
bool migrate_pages_finish(MigratePages *pages, unsigned block, uint64_t first,
                          unsigned n, MigrateTally *tally, GError **error);

/* After a claim in a small extent: store the N pages at BYTES and finish. */
bool migrate_pages_copy(MigratePages *pages, unsigned block, uint64_t first,
                        unsigned n, const uint8_t *bytes, MigrateTally *tally,
                        GError **error);

/* The guest discarded N pages from FIRST (UFFD_EVENT_REMOVE): those that have
 * not arrived are zero from now on, whatever still comes for them. Fault
 * thread. */
void migrate_pages_discard(MigratePages *pages, unsigned block, uint64_t first,
                           uint64_t n, MigrateTally *tally);

/* After a claim that came to nothing: back to ABSENT. */
void migrate_pages_give_up(MigratePages *pages, unsigned block, uint64_t first,
                           unsigned n);

/* Readable (an eventfd) when a page that a guest thread waits for was given
 * up: the answer to the first question may have been thrown away as a
 * duplicate meanwhile, so it has to be asked again. */
int migrate_pages_orphans_fd(const MigratePages *pages);

/* Makes a PRESENT page visible; the fault path's everyday call. Where QEMU is
 * just discarding memory nothing can be mapped until the fault thread has read
 * the announcement, and a zero page that is a hole needs memory: where that
 * cannot be now, who waits is woken instead, and faults again. */
bool migrate_pages_map(MigratePages *pages, unsigned block, uint64_t page,
                       GError **error);

/* While on, a call that finds no memory fails (and gives its pages up) instead
 * of waiting for some: its thread is about to be ended. Any thread. */
void migrate_pages_hurry(MigratePages *pages, bool on);

/* After the connections were lost, and while no thread is at work on them:
 * nothing counts as asked any more, and what is wanted will be asked for when
 * the fault thread starts. */
void migrate_pages_unask_all(MigratePages *pages);

/* Pages PRESENT so far, of all blocks. */
uint64_t migrate_pages_present(const MigratePages *pages);
bool migrate_pages_complete(const MigratePages *pages);
