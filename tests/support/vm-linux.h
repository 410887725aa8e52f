/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Linux test guest (tests/guest/linux): Debian's cloud kernel with an
 * initramfs that writes and checks files in RAM. It boots under TCG only.
 */
#pragma once

#include "tests/support/vm-qemu.h"

/* NULL if it can run with the QEMU VERSION, else why not; owned. */
char *vm_linux_why_not(VmQemuVersion version);

/* Sets kernel, initrd and append. The strings live for ever. The guest prints
 * "ready " once it has written PAIRS pairs of 1 MiB files. */
void vm_linux_set(VmQemuOptions *options, unsigned pairs);

/* Puts another initramfs into OPTIONS after vm_linux_set(): with INIT
 * (tests/guest/linux/) as process 1 and PROGRAMS (paths, NULL at the end) in
 * /programs. It is written to DIRECTORY. False if it cannot be made. */
bool vm_linux_set_programs(VmQemuOptions *options, const char *directory,
                           const char *init, const char *const *programs,
                           GError **error);

/* The number of the last whole "tick N ok" line in TEXT, 0 if none; -1 if a
 * tick was WRONG or the kernel panicked. */
int vm_linux_ticks(const char *text);
