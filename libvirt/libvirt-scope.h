/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A place of its own for a process that has to outlive whoever starts it: a
 * service that is stopped, a session that is left and systemd-oomd end all that
 * is in a cgroup. Where systemd runs that is a scope, else the root cgroup.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* systemd runs this host. */
bool libvirt_scope_is_possible(void);

/* The words to put before a command: systemd-run makes the scope UNIT, of which
 * systemd says DESCRIPTION, and becomes the command: process number, session
 * and descriptors stay as they are. It ends with status 1 if it cannot. */
void libvirt_scope_add(GPtrArray *command, const char *unit,
                       const char *description);

/* The same with a service of its own, which systemd starts and nobody waits
 * for. */
void libvirt_scope_add_service(GPtrArray *command, const char *unit,
                               const char *description);

/* Without systemd, between fork() and exec(): this process leaves its cgroup,
 * if it may. */
void libvirt_scope_leave(void);
