/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starts victims (victim.c) for host tests and asks them for proof that they
 * still compute. Any failure to do so ends the test.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    FILE *in, *out;
} VictimRun;

/* Every mode of victim.c; ends with NULL. */
extern const char *const victim_run_modes[];

void victim_run_start(VictimRun *run, const char *mode);
void victim_run_prove(VictimRun *run);
void victim_run_stop(VictimRun *run);

/* "0 -> pipe:[1]\n1 -> ..." of all descriptors of PID, sorted; owned. */
char *victim_run_descriptors(pid_t pid);

/* True if the test may go on: we are root. Else skips (or fails with
 * TESTS_MUST_RUN=1) the running test case. */
bool victim_run_is_possible(void);

/* Skips the running test case, or fails it with TESTS_MUST_RUN=1. */
void victim_run_skip(const char *reason);
