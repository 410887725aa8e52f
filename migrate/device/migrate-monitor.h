/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a monitor and a process are of one QEMU. Whoever is told to work on
 * a process by number would otherwise ask one QEMU and change the other.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "qmp/qmp-client.h"

/* True if PID is the process that listens on CLIENT's socket; or else, because
 * the socket may have been made by who started QEMU, if a descriptor that QEMU
 * is given there (getfd) turns up in PID. STATE if it does not. */
bool migrate_monitor_belongs_to(QmpClient *client, pid_t pid, GError **error);
