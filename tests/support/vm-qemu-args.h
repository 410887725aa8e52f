/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From VmQemuOptions to QEMU's command line and environment. Used by vm-qemu
 * only.
 */
#pragma once

#include "tests/support/vm-qemu.h"

/* DIRECTORY is where the sockets and the serial log lie. NULL-terminated,
 * owned by the caller (g_ptr_array_unref). */
GPtrArray *vm_qemu_args(const VmQemuOptions *options, const char *directory);

/* The names of the files below DIRECTORY. */
#define VM_QEMU_TOOL_SOCKET "tool.qmp"
#define VM_QEMU_TEST_SOCKET "test.qmp"
#define VM_QEMU_SERIAL "serial.log"
#define VM_QEMU_STDERR "stderr.log"

/* Where the Debian 13 root is. */
const char *vm_qemu_root10(void);

/* "K=V", NULL-terminated; owned by the caller. */
char **vm_qemu_environment(const VmQemuOptions *options);
