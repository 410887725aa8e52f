/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fault thread of the destination: one poll over the userfaultfd and the
 * urgent connection. Reads kernel events in batches, maps what is PRESENT,
 * asks the source for the rest in one write, stores what it answers.
 * It allocates nothing (a connection with TLS does), takes no lock across I/O,
 * reads no file, logs nothing above debug, and never waits for QMP.
 *
 * There is one for the whole of a migration: after the point of no return there
 * may be no thread to be had, and whoever waits for a page that is here must
 * not wait for that.
 */
#pragma once

#include "migrate/core/migrate-alarm.h"
#include "migrate/pages/migrate-pages.h"
#include "uffd/uffd-regions.h"
#include "wire/wire-link.h"

typedef struct MigrateFault MigrateFault;

/* Starts the thread. Everything given is borrowed and must outlive _stop().
 * URGENT may be NULL: then it only maps what is PRESENT, and notes the rest.
 * ALARM hears of VM_GONE (QEMU ended), PEER_GONE (the urgent connection
 * ended; events are still read and PRESENT pages still served), PROTOCOL. NULL
 * if no thread is to be had (ALARM: FAILED). */
MigrateFault *migrate_fault_start(int uffd, const UffdRegions *regions,
                                  WireLink *urgent, MigratePages *pages,
                                  MigrateAlarm *alarm);

/* In all of these FAULT may be NULL: who takes over a guest that has all of its
 * pages, and no userfaultfd any more, has no such thread.
 *
 * Since when a question waits for its answer with none coming (monotonic, ns);
 * 0: none does. Any thread. */
uint64_t migrate_fault_waits_since(const MigrateFault *fault);

/* Between the two it does nothing, and the kernel keeps the events. _pause()
 * returns when the thread stands still, so URGENT must have been shut down;
 * _go_on() has it ask the source over another one (NULL: none). */
void migrate_fault_pause(MigrateFault *fault);
void migrate_fault_go_on(MigrateFault *fault, WireLink *urgent);

/* Stops and joins; TALLY (may be NULL) gets its counters. */
void migrate_fault_stop(MigrateFault *fault, MigrateTally *tally);

/* Pages asked for over the network so far; any thread. */
uint64_t migrate_fault_demanded(const MigrateFault *fault);

/* Adds the numbers of its counters so far; any thread. */
void migrate_fault_count(const MigrateFault *fault, MigrateTally *tally);
