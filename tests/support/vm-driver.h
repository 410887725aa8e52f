/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libvirt's part in a migration that postlude follows, played over the test's
 * monitors: it accepts at the destination, starts at the source, lets it go on
 * at "pre-switchover", starts the guest when the source says "completed", and
 * ends the source's QEMU. What goes wrong ends the test, except where a status
 * is returned. Main thread only.
 */
#pragma once

#include "tests/support/vm-pair.h"

typedef struct VmDriver VmDriver;

/* The destination listens for QEMU's stream, as it does when libvirt calls the
 * hook "started". */
VmDriver *vm_driver_accept(VmPair *pair);
void vm_driver_free(VmDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmDriver, vm_driver_free)

/* Starts QEMU's migration at the source. */
void vm_driver_start(VmDriver *driver);

/* Lets it go on at "pre-switchover", as libvirt does, and waits for its end:
 * "completed", "failed" or "cancelled". */
const char *vm_driver_follow(VmDriver *driver);

/* Waits until the source's migration is STATUS; doing nothing meanwhile. */
void vm_driver_wait(VmDriver *driver, const char *status);
void vm_driver_continue(VmDriver *driver);
void vm_driver_cancel(VmDriver *driver);

/* Finish: the guest runs at the destination, and the source's QEMU is ended.
 * Or the opposite: the guest runs at the source again, and the destination's
 * QEMU is ended. */
void vm_driver_finish(VmDriver *driver);
void vm_driver_take_back(VmDriver *driver);

/* All of it, from start to finish; it must complete. */
void vm_driver_migrate(VmDriver *driver);
