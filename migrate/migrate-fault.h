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
 * ALARM hears of VM_GONE (QEMU ended), PEER_GONE (the urgent connection
 * ended; events are still read and PRESENT pages still served), PROTOCOL. */
MigrateFault *migrate_fault_start(int uffd, const UffdRegions *regions,
                                  WireLink *urgent, MigratePages *pages,
                                  MigrateAlarm *alarm);

/* Stops and joins; TALLY (may be NULL) gets its counters. */
void migrate_fault_stop(MigrateFault *fault, MigrateTally *tally);

/* Pages asked for over the network so far; any thread. */
uint64_t migrate_fault_demanded(const MigrateFault *fault);
