/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tunnel for QEMU's own migration stream (device state one way, QEMU's
 * return path the other): copies bytes between a local UNIX socket and the
 * device connection, both ways, until either side breaks or both have ended.
 * A broken tunnel breaks QEMU's migration, which is what we want before the
 * point of no return: the source's QEMU then goes on running the guest.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "wire/wire-link.h"

typedef struct MigrateRelay MigrateRelay;

/* LOCAL is taken over in any case, DEVICE borrowed. NULL if there is no thread
 * or descriptor to be had. */
MigrateRelay *migrate_relay_start(int local, WireLink *device, GError **error);

/* Ends both directions at once and joins. */
void migrate_relay_stop(MigrateRelay *relay);

/* Bytes carried towards the destination QEMU, counted where it runs; 0 if
 * RELAY is NULL. */
uint64_t migrate_relay_bytes(const MigrateRelay *relay);
