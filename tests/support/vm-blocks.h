/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's RAM blocks as they lie in its address space, to be filled and
 * compared byte by byte while the guest stands still. Addresses: as QEMU tells
 * them (8.0 and newer); before that a backend's from its file's name, and of
 * what the guest has mapped from "info mtree" and "gpa2hva". Main thread only.
 */
#pragma once

#include "qmp/qmp-qemu.h"
#include "tests/support/vm-pair.h"

/* QmpRamBlock of VM, in QEMU's order; hva is 0 only where none could be found.
 * What is wrong ends the test. */
GArray *vm_blocks_list(VmQemu *vm);

/* Something in every 64 KiB of VM's block whose name ends with ENDING, other
 * than what SEED another gives. */
void vm_blocks_fill(VmQemu *vm, const char *ending, unsigned seed);

/* All blocks of both sides are the same: names, sizes, bytes. Those without an
 * address are said and left out; there are at least SEEN with one. */
void vm_blocks_expect_same(VmPair *pair, unsigned seen);
