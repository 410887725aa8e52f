/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the guest saw of a run: three stretches of the witness's log.
 *
 *   baseline  the guest alone on the source, as long as "missing"
 *   whole     from the command that starts the migration to its end
 *   missing   from the last line on the source, printed at most one report
 *             interval before the stop, to the first line that began after
 *             both sides had finished
 *
 * A TCG guest's clock stands still between stop and resume, so the switchover
 * is in none of them. A KVM guest's runs on: there the one access that holds
 * the switchover is taken out of "missing" and "whole".
 */
#pragma once

#include "tests/bench/bench-run.h"

/* The number of the newest beat of one side; false if it has printed none. */
bool bench_guest_now(VmQemu *vm, uint64_t *line, GError **error);

/* Waits for the first beat that was printed after this call, and what it says
 * of wrong words. */
bool bench_guest_next(VmPair *pair, uint64_t *line, uint64_t *wrong,
                      GError **error);

/* Adds the members baseline, whole, missing to the open object of JSON, and
 * prints "missing" as a line for a person into LINE. */
bool bench_guest_put(VmPair *pair, const BenchRun *run, bool kvm,
                     JsonBuilder *json, GString *line, GError **error);

/* Adds the stretch from line FROM (not included) to line TO as member NAME,
 * and says it in LINE unless that is NULL. */
bool bench_guest_put_lines(VmPair *pair, const char *name, uint64_t from,
                           uint64_t to, JsonBuilder *json, GString *line,
                           GError **error);
