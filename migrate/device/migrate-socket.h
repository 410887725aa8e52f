/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The local end of QEMU's migration stream: a socket pair, one end handed to
 * QEMU by name through its monitor. No path, so no question of who may
 * connect, and it works for a QEMU of another user.
 */
#pragma once

#include "qmp/qmp-qemu.h"

#define MIGRATE_SOCKET_NAME "postlude-device"
#define MIGRATE_SOCKET_URI "fd:" MIGRATE_SOCKET_NAME

/* Our end, owned by the caller, or -1. */
int migrate_socket_give(QmpClient *client, GError **error);

/* Makes QEMU close its end if it never used it. */
void migrate_socket_forget(QmpClient *client);
