/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals that the main loop hears, and those that nobody shall be ended by.
 * g_unix_signal_add() does the former with a thread of GLib's own, and ends the
 * process if none is to be had; here it takes a descriptor.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* CALL is called with DATA on the default main context after SIGNUM has come,
 * once for any number of them. The source that g_source_remove() takes, which
 * also makes the signal the kernel's again (SIGUSR1, which is a word to us and
 * not an end, is ignored); 0 if there is no descriptor. Main thread only. */
guint signals_watch(int signum, GSourceFunc call, gpointer data);

/* To be the first thing in main(): a write to who has gone, or to a file at the
 * limit of its size (RLIMIT_FSIZE), is an error like any other; a SIGUSR1 that
 * comes before or after somebody watches it ends nobody; and standard
 * input, output and error are open (on /dev/null if they were not), or the next
 * socket would take their place and be written our messages. False if they
 * cannot be. */
bool signals_prepare(void);

/* For a child that is about to become another program: as it expects them. Only
 * calls that may be made after fork(). */
void signals_restore(gpointer unused);
