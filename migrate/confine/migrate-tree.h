/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file system that a confined helper sees: an empty one that cannot be
 * written, with a few paths of the host in it. Landlock would need no
 * privilege, but it forbids a process in its domain to reach any process
 * outside (security/landlock/task.c), and with that process_madvise() on
 * QEMU, which is how its memory becomes huge.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A mount namespace of our own, in which all threads to come will live: call
 * it while there is one only. Takes CAP_SYS_ADMIN. */
bool migrate_tree_begin(GError **error);

/* From now on the whole process sees PATHS (NULL-terminated; those that do not
 * exist are left out) and nothing else. There must be no open directory: that
 * would be a way out. */
bool migrate_tree_enter(const char *const *paths, GError **error);
