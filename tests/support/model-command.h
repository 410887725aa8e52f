/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The QMP commands of a model of QEMU. Besides QEMU's own it knows what only
 * the hand says:
 *
 *   x-model-hold {text, when: "before"|"after", skip}   the next command of
 *                 the tool whose line contains TEXT waits: event MODEL_AT
 *   x-model-hold-status {status}   its migration stays there: event MODEL_AT
 *   x-model-then {status, command} carries out COMMAND at that very moment
 *   x-model-go    who was held up goes on
 *   x-model-scan  the number of pages that are not the guest's
 *   x-model-panic, x-model-poweroff   the guest does that (-no-shutdown)
 *   device_add {driver: "pc-dimm", id}   comes with a backend of 2 MiB; the
 *                 guest begins to use it at once
 *
 * Main thread.
 */
#pragma once

#include "tests/support/model-migration.h"

typedef struct {
    ModelMachine machine;
    ModelMonitors *monitors;
    ModelMigration migration;
    unsigned version;
    const char *name, *uuid;
    GHashTable *fds; /* getfd: monitor and name to number */
    unsigned from;   /* the monitor whose command is carried out */
    bool quitting;
} ModelQemu;

ModelReply model_command_run(ModelQemu *qemu, unsigned from,
                             const char *command, JsonObject *arguments,
                             int *fd);

/* At the status at which "x-model-then" wants it. */
void model_command_then(ModelQemu *qemu);
