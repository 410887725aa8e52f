/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU says unasked.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* An event, as typed as we need it. */
typedef struct {
    char *name;    /* "MIGRATION", "STOP", "RESUME", "SHUTDOWN", ... */
    char *status;  /* data.status of MIGRATION, else NULL */
    char *reason;  /* data.reason of SHUTDOWN and RESET, else NULL */
    bool guest;    /* data.guest of these: the guest itself did it */
    gint64 time_us;/* QEMU's timestamp: wall clock, microseconds; 0: none */
} QmpEvent;

void qmp_event_free(QmpEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpEvent, qmp_event_free)
