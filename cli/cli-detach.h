/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --detach: the foreground process returns when the work has got to a certain
 * point, and the work goes on in a background process of its own session. What
 * was inherited as stdout and stderr is let go of by then, because whoever
 * reads it (libvirt, of a hook) waits for its end.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Forks; to be called before any thread exists. Negative in the background
 * process, which goes on. In the foreground it returns, when the other has
 * called cli_detach_ready() or has ended, what to exit with. LOG_PATH: where
 * the background process writes from then on; NULL: the system's log. */
int cli_detach(const char *verb, const char *log_path);

/* In the background: the foreground process may go. False if it has gone
 * before, so that nobody knows of this one: then everything is to be undone. */
bool cli_detach_ready(GError **error);

/* In the background: a pipe that ends with the foreground process. */
int cli_detach_parent_fd(void);
