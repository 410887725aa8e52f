/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The system calls that a confined helper may make (seccomp). What is not
 * listed answers EPERM and is noted in the kernel's audit log: never a signal,
 * because a call that was forgotten on a rare path must not take the guest's
 * memory with it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* For all threads, those that run and those to come, and for good. Needs
 * no privilege. False (UNSUPPORTED): kernel or build without seccomp. */
bool migrate_filter_load(GError **error);
