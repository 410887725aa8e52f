/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU said of its guest's end (the event SHUTDOWN), so that its own end
 * can be told from a crash. Pure; main thread.
 */
#pragma once

#include "qmp/qmp-client.h"
#include "wire/wire-proto.h"

typedef struct {
    WireEndedCode code; /* 0: nothing was said, or the guest went on since */
    const char *words;  /* why; static */
} MigrateShutdown;

/* The first SHUTDOWN counts: who sees it often ends QEMU by a signal, and QEMU
 * says that as well. A guest that is reset or goes on (-no-shutdown) has not
 * ended. Other events change nothing. */
void migrate_shutdown_hear(MigrateShutdown *shutdown, const QmpEvent *event);
