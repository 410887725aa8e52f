/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's own migration of a pair, through the test's monitors: what postlude
 * collapse comes after. Whatever goes wrong ends the test. Main thread only.
 */
#pragma once

#include "tests/support/vm-pair.h"

#define VM_NATIVE_MIB_PER_S(n) (UINT64_C(1048576) * (n))

/* Switches postcopy-ram on and starts the migration, in its precopy phase, at
 * BYTES_PER_S; the postcopy phase gets twice as much. */
void vm_native_start(VmPair *pair, uint64_t bytes_per_s);

/* From precopy to postcopy. */
void vm_native_switch(VmPair *pair);

/* Both at once, by postcopy at BYTES_PER_S: next to nothing comes by precopy,
 * also where this process has to wait for a CPU between the two. */
void vm_native_move(VmPair *pair, uint64_t bytes_per_s);

/* What VM says of its migration ("active", "completed"; "none" if it says
 * nothing). Owned by the caller. */
char *vm_native_status(VmQemu *vm);

/* Waits until VM says STATUS. */
void vm_native_wait(VmQemu *vm, const char *status, int timeout_ms);

/* Gives the migration up, and waits until VM has. */
void vm_native_cancel(VmQemu *vm, int timeout_ms);
