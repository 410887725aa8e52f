/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No memory on the destination for a page of a small extent or a hole that the
 * guest touches: whether there is some, since when there is none, and saying
 * so. The kernel answers ENOSPC where the tmpfs is full, and ENOMEM now and
 * then, and then we wait. Where the host or QEMU's memory cgroup is full it does
 * not answer, but kills somebody, and QEMU is the largest: that is asked before.
 *
 * Who places pages only counts down a number, without a lock, a file or an
 * allocation. A thread of its own reads the margin anew when the number is
 * running out, and tells the operator.
 */
#pragma once

#include <glib.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collapse/collapse-margin.h"

typedef struct {
    CollapseMargin *margin; /* NULL: no limit is known */
    GThread *thread;        /* NULL: nobody reads, and nobody says */
    sem_t wanted;
    _Atomic bool ending;
    _Atomic uint64_t allowance_bytes; /* may be taken */
    _Atomic uint64_t refused_ns;      /* 0: never */
    _Atomic(const char *) block;      /* what was refused last, and why */
    _Atomic(const char *) reason;
    _Atomic uint64_t said_ns;
} MigrateShortage;

void migrate_shortage_init(MigrateShortage *shortage);
void migrate_shortage_clear(MigrateShortage *shortage);

/* From now on it minds MARGIN (taken over; NULL: none). Before the threads. */
void migrate_shortage_mind(MigrateShortage *shortage, CollapseMargin *margin);

/* Starts its thread, which must not have more rights than the others, so after
 * confinement. False if there is none to be had. */
bool migrate_shortage_start(MigrateShortage *shortage, GError **error);

/* What that thread does time and again: reads the margin, says what is to be
 * said. For tests. */
void migrate_shortage_look(MigrateShortage *shortage);

/* True if the margin has room for one page more; it counts as taken. False may
 * also mean that it is just being read. Any thread, the fault thread too. */
bool migrate_shortage_allows_page(MigrateShortage *shortage);

/* A page found no room in RAM block BLOCK: because of the margin, or else for
 * REASON. Said soon, and at most twice a minute, because it can last. Both stay
 * the caller's, for as long as this lives. Any thread, the fault thread too. */
void migrate_shortage_note(MigrateShortage *shortage, const char *block,
                           const char *reason);

/* True if a page was refused just now. Any thread. */
bool migrate_shortage_lasts(MigrateShortage *shortage);
