/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fault thread of the destination: one poll over the userfaultfd and the
 * urgent connection. Reads kernel events in batches, maps what is PRESENT,
 * asks the source for the rest in one write, stores what it answers.
 * It allocates nothing, takes no lock across I/O, logs nothing above debug,
 * and never waits for QMP.
 */
#pragma once

#include "migrate/migrate-alarm.h"
#include "migrate/migrate-pages.h"
#include "uffd/uffd-regions.h"
#include "wire/wire-link.h"

typedef struct MigrateFault MigrateFault;

/* Starts the thread. Everything given is borrowed and must outlive _stop().
 * URGENT may be NULL: then it only maps what is PRESENT, and notes the rest.
 * ALARM hears of VM_GONE (QEMU ended), PEER_GONE (the urgent connection
 * ended; events are still read and PRESENT pages still served), PROTOCOL. */
MigrateFault *migrate_fault_start(int uffd, const UffdRegions *regions,
                                  WireLink *urgent, MigratePages *pages,
                                  MigrateAlarm *alarm);

/* Since when a question waits for its answer with none coming (monotonic, ns);
 * 0: none does. Any thread. */
uint64_t migrate_fault_waits_since(const MigrateFault *fault);

/* Stops and joins; TALLY (may be NULL) gets its counters. */
void migrate_fault_stop(MigrateFault *fault, MigrateTally *tally);

/* Pages asked for over the network so far; any thread. */
uint64_t migrate_fault_demanded(const MigrateFault *fault);
