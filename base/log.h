/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where g_debug/g_info/g_message/g_warning of all rooms go: one line each on
 * stderr, with the room (G_LOG_DOMAIN) and the VM's name, or to the journal
 * when stderr is connected to it. What a message or the VM's name has in it that
 * would do something to a terminal is shown instead (base/printable.h). Call once
 * from main(), before any thread.
 */
#pragma once

#include <stdbool.h>

/* VERBOSE shows g_debug and g_info too. */
void log_init(bool verbose);

/* More than usual, as log_init() has it; or less: warnings and errors only. */
void log_set_verbose(void);
void log_set_quiet(void);

/* Nothing is to be shown that only tells how it goes: no progress, no report. */
bool log_is_quiet(void);

/* From now on lines go to the system's log instead (which forwards them to the
 * journal where there is one): for a process without a terminal. */
void log_to_syslog(void);

/* TEXT, which was printed for a person, into the system's log line by line, if
 * lines go there; else nothing. */
void log_copy_to_syslog(const char *text);

/* The VM named in every following line; copied. NULL clears it. */
void log_set_vm(const char *name);

/* What to call before a line is written to a terminal, so that a progress bar
 * can take itself away first; NULL for nothing. */
void log_set_before_line(void (*hook)(void));
