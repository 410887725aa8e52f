/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A running guest with ordinary anonymous RAM that has just lost its huge
 * pages, the way guests lose them: QEMU's own postcopy has moved it. The source
 * is gone; its log is kept, so the witness's text is whole.
 */
#pragma once

#include "tests/bench/bench-run.h"

/* Starts a pair as PLAN says, moves the guest, ends the source, and fails
 * unless all but one percent of RAM is in small pages then. */
VmPair *bench_lost_start(const BenchPlan *plan, const char *words,
                         GError **error);
