/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long a helper waits for the other side and for QEMU before it gives up, or
 * goes on without an answer. One set per session, so that a test of silence need
 * not wait for minutes. What an operator chooses is an option and not here.
 */
#pragma once

/* Milliseconds. */
typedef struct {
    int agree_ms;      /* both: the other's next frame before prepare is begun */
    int arm_ms;        /* source: the destination lays huge pages and arms */
    int ready_ms;      /* source: the destination looks again, READY */
    int precopy_ms;    /* source: QEMU from "migrate" to the switchover */
    int device_ms;     /* source: QEMU's device state; the guest stands still */
    int switchover_ms; /* destination: from the device state to RUN */
    int decide_ms;     /* destination: QEMU has the state and says if it fits */
    int start_ms;      /* destination: from the answer to "cont" to RESUME */
    int driver_ms;     /* destination, --follow: from the last page to RESUME */
    int cancel_ms;     /* source: QEMU from "migrate_cancel" to its end */
    int talk_ms;       /* source: the destination's next frame after it is back */
    int bye_ms;        /* destination: the source's BYE */
    int linger_ms;     /* source: a destination that has not heard BYE */
} MigratePatience;

/* PERCENT of the usual; 0 is 100. Nothing gets less than 100 ms. */
void migrate_patience_init(MigratePatience *patience, unsigned percent);
