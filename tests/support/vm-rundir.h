/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A /run/postlude of the test's own, for tests that empty it or count what is
 * in it: other tests' helpers are not seen, and not met.
 */
#pragma once

#define VM_RUNDIR "/run/postlude"

/* From now on, in a mount namespace of this process and those it starts. Before
 * any thread exists. */
void vm_rundir_make_ours(void);

/* Removes every file in it. */
void vm_rundir_empty(void);
