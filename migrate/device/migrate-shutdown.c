/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a guest ended, in QEMU's words: see migrate-shutdown.h. The causes are
 * ShutdownCause of qapi/run-state.json.
 */
#include "migrate/device/migrate-shutdown.h"

typedef struct {
    const char *reason;
    WireEndedCode code;
    const char *words;
} Cause;

static const Cause causes[] = {
    {"guest-shutdown", WIRE_ENDED_SHUT_DOWN, "it powered off"},
    {"guest-reset", WIRE_ENDED_SHUT_DOWN,
     "it was reset, and its QEMU ends then (-no-reboot)"},
    {"guest-panic", WIRE_ENDED_CRASHED, "it panicked"},
    {"host-error", WIRE_ENDED_CRASHED,
     "its QEMU met an error that it cannot go on after"},
    {"host-qmp-quit", WIRE_ENDED_STOPPED, "its QEMU was told to quit"},
    {"host-qmp-system-reset", WIRE_ENDED_STOPPED,
     "its QEMU was told to reset it, and ends then (-no-reboot)"},
    {"host-signal", WIRE_ENDED_STOPPED, "its QEMU was ended by a signal"},
    {"host-ui", WIRE_ENDED_STOPPED, "its QEMU was ended at its console"},
};

/* New causes may come; who is to blame is said beside them. */
static const Cause by_guest = {NULL, WIRE_ENDED_SHUT_DOWN, "it ended itself"};
static const Cause by_host = {NULL, WIRE_ENDED_STOPPED,
                              "its QEMU was ended on its host"};

static const Cause *
shutdown_find(const QmpEvent *event)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(causes); i++) {
        if (g_strcmp0(event->reason, causes[i].reason) == 0) {
            return &causes[i];
        }
    }
    return event->guest ? &by_guest : &by_host;
}

void
migrate_shutdown_hear(MigrateShutdown *shutdown, const QmpEvent *event)
{
    if (g_str_equal(event->name, "RESUME") ||
        g_str_equal(event->name, "RESET")) {
        *shutdown = (MigrateShutdown){0};
    } else if (g_str_equal(event->name, "SHUTDOWN") && !shutdown->code) {
        const Cause *cause = shutdown_find(event);
        *shutdown = (MigrateShutdown){.code = cause->code,
                                      .words = cause->words};
    }
}
