/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files with tokens in the run-time directory whose owner was killed before it
 * could take them away. Any thread.
 */
#pragma once

#include <sys/types.h>

/* The name of a token's file of the hook with process number OWNER, for
 * mkostemp(); owned by the caller. */
char *libvirt_leftover_template(const char *directory, pid_t owner);

/* Removes what 'postlude migrate' (UUID.PID.token) and the hook have left in
 * DIRECTORY: files of this user whose owner lives no more, and which nobody has
 * written for a minute. Nothing at all if others may write there. What cannot be
 * removed stays: it is a token that opens nothing any more. */
void libvirt_leftover_sweep(const char *directory);
