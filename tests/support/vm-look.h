/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a running QEMU shows from outside: its RAM mappings, what of them is
 * huge, whose descriptors it holds, who else maps its RAM. Used to check that a
 * guest is left as it was found.
 */
#pragma once

#include "base/proc-maps.h"
#include "tests/support/vm-qemu.h"

/* The mappings of the memory backends, or of the ordinary RAM if there is
 * none, with the values of smaps: GArray of ProcMapping. STATE error if there
 * are fewer than the options say. */
GArray *vm_look_ram(const VmQemu *vm, GError **error);

/* Bytes of guest RAM mapped by huge pages, and bytes resident. */
bool vm_look_huge(const VmQemu *vm, uint64_t *huge_bytes, uint64_t *rss_bytes,
                  GError **error);

/* How many userfaultfds QEMU holds; -1 if its descriptors cannot be read. */
int vm_look_userfaultfds(const VmQemu *vm);

/* Each fails with a STATE error that says what is still there:
 * no descriptor of a userfaultfd in QEMU, no RAM mapping registered with one
 * (VmFlags um, uw, ui); */
bool vm_look_is_released(const VmQemu *vm, GError **error);
/* no other process maps the guest's RAM; */
bool vm_look_is_only_mapper(const VmQemu *vm, GError **error);
/* the migration capability NAME is off. */
bool vm_look_is_capability_off(VmQemu *vm, const char *name, GError **error);

/* The same of mappings RAM of process PID, which need not be a VmQemu. */
void vm_look_huge_of(const GArray *ram, uint64_t *huge_bytes,
                     uint64_t *rss_bytes);
bool vm_look_is_released_of(const GArray *ram, pid_t pid, GError **error);
bool vm_look_is_only_mapper_of(const GArray *ram, pid_t pid, GError **error);
