/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting a thread. There may be none to be had: a limit on processes
 * (RLIMIT_NPROC), the pids limit of a cgroup, no memory for a stack.
 * g_thread_new() ends the process then, and with it a guest whose memory it
 * holds; so nobody here calls it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Starts a thread NAME that does RUN with DATA; tries again for THREAD_WAIT_MS
 * if there is none to be had. NULL after that: FAILED (RETRY is a time-out to
 * whoever waits), and the message says what to look at. */
GThread *thread_start(const char *name, GThreadFunc run, gpointer data,
                      GError **error);

/* Once, for callers who try again by themselves. */
GThread *thread_try(const char *name, GThreadFunc run, gpointer data,
                    GError **error);

#define THREAD_WAIT_MS 1000

/* For tests: the next N tries find none. */
void thread_refuse(unsigned n);
