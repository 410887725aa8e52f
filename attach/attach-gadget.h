/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finds, in the code of a running process, the two instruction sequences that
 * let a borrowed thread give itself back (attach-arch.h). Reads only; the
 * process is not stopped for it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "attach/attach-arch.h"

/* Searches the C library first, then whatever else is mapped from a file.
 * What is not there stays 0 in *FOUND; that is no error. VM_GONE or FAILED if
 * the process cannot be read. */
bool attach_gadget_find(pid_t pid, AttachGadgets *found, GError **error);

/* Reads BYTES at HVA of PID (process_vm_readv). False if not all are there;
 * errno says why. */
bool attach_gadget_peek(pid_t pid, uint64_t hva, void *into, size_t bytes);
