/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who goes first when there are fewer cores than threads: the guest's faults,
 * then bulk, then everything else. Called by a thread about itself; what the
 * kernel does not allow is left as it is.
 */
#pragma once

/* Names the calling thread (15 bytes) and lets it preempt ordinary threads. */
void migrate_priority_urgent(const char *name);

/* Names the calling thread and lets only urgent threads go first. */
void migrate_priority_bulk(const char *name);

/* For a thread that sweeps with pauses: what it has begun, it finishes. Keeps
 * its name. */
void migrate_priority_sweep(void);
