/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens on both sides while a guest moves: events with QEMU's own time
 * stamps, and the ends of helpers. Waits in poll(), so that watching costs
 * nothing that is being measured.
 */
#pragma once

#include "tests/bench/bench-run.h"

/* Forgets what was queued before the run. */
bool bench_watch_begin(VmPair *pair, GError **error);

/* Waits up to TIMEOUT_MS for anything on the monitors or the descriptors
 * FDS (POLLIN; -1 is passed over), and notes all events in RUN. */
bool bench_watch_once(VmPair *pair, const int *fds, unsigned n_fds,
                      int timeout_ms, BenchRun *run, GError **error);
