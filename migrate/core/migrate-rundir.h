/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The run-time directory: /run/postlude, or $XDG_RUNTIME_DIR/postlude for an
 * ordinary user. What lies in it tells who holds which part of which guest, so
 * it is ours alone.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Its path; owned by the caller. */
char *migrate_rundir_path(void);

/* Makes it if need be. STATE if what is there is not a directory of ours with
 * mode 0700: a link, or somebody else's, is not followed. */
bool migrate_rundir_make(const char *path, GError **error);
