/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long to leave the guest alone after a call, and when to come back to an
 * extent that was refused. Pure; used by every sweep of this program.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A call that copies holds locks that the guest's page faults need, so the
 * share of time spent in calls bounds the share of time the guest can lose
 * (docs/collapse.md has the measurements). */
typedef struct {
    double duty;          /* 0 < duty < 1: share of time in calls; 1: no rest */
    double prefault_duty; /* the same of prefaulting, which holds no lock of
                             the guest's but takes CPU time */
    uint64_t free_ns;     /* calls shorter than this cost nothing: no rest */
    uint64_t max_rest_ns; /* one long call shall not stop the sweep */
} CollapsePace;

/* The rest that a call of CALL_NS after prefaulting for PREFAULT_NS earns the
 * guest; 0: go on at once. */
uint64_t collapse_pace_rest_ns(const CollapsePace *pace, uint64_t prefault_ns,
                               uint64_t call_ns);

/* "10%", "10" or "2.5%" to 0.10 or 0.025; false unless 0 < it <= 100. */
bool collapse_pace_parse_duty(const char *text, double *duty);

/* Pauses between tries of one extent, growing by two up to a limit. */
typedef struct {
    unsigned tries; /* in all, the first included */
    uint64_t first_ns;
    uint64_t most_ns;
} CollapseRetry;

/* After TRIED tries (1 is the first) that ended in ERRNUM: true with the pause
 * before the next one, false if there is no next one. Only EAGAIN (a page is
 * pinned or locked) and ENOMEM (no huge page free) get better by waiting. */
bool collapse_retry_after(const CollapseRetry *retry, int errnum,
                          unsigned tried, uint64_t *pause_ns);
