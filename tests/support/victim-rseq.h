/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A long restartable sequence (rseq(2)): code that the kernel has to abort if
 * the thread loses its CPU inside it, for whatever reason.
 */
#pragma once

typedef enum {
    VICTIM_RSEQ_DONE,
    VICTIM_RSEQ_ABORTED, /* as it should be */
    VICTIM_RSEQ_FORGOTTEN, /* it was disturbed, and was not told */
    VICTIM_RSEQ_NONE,    /* this C library or kernel has no rseq */
} VictimRseq;

VictimRseq victim_rseq_once(void);
