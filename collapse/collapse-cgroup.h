/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where in the file system the cgroup is that pays for a process's memory.
 * Facts: cgroups(7), Documentation/admin-guide/cgroup-v1/memory.rst and
 * cgroup-v2.rst; mountinfo: proc(5).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* The directory under which PATH (from /proc/PID/cgroup) lies, from the text
 * of a mountinfo: the v1 hierarchy of CONTROLLER, or the unified hierarchy
 * when CONTROLLER is "". NULL if it is not mounted, or mounted from a place
 * that does not lead to PATH. Pure. */
char *collapse_cgroup_locate(const char *mountinfo, const char *controller,
                             const char *path);

/* The directory of the cgroup that PID's memory is charged to; owned. NULL with
 * UNSUPPORTED: no mounted cgroup file system leads there. */
char *collapse_cgroup_directory(pid_t pid, GError **error);

/* Opens cgroup.procs of the cgroup that PID's memory is charged to, for
 * writing: a process that writes "0" there moves itself in. -1: error. */
int collapse_cgroup_open(pid_t pid, GError **error);
