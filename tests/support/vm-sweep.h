/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude collapse on a QEMU of the test: started, and its report claimed.
 * Whatever is not so ends the test. Main thread only.
 */
#pragma once

#include "tests/support/vm-tool.h"
#include "tests/support/vm-qemu.h"

/* "postlude collapse --qmp SOCKET MORE...". MORE: NULL-terminated. */
VmTool *vm_sweep_start(VmQemu *vm, const char *const *more);

/* It ends by itself with CODE, and its report has all of TEXTS (which end
 * with NULL). */
void vm_sweep_expect(VmTool *tool, int code, const char *const *texts);

/* The report of a run with --json. */
JsonNode *vm_sweep_report(VmTool *tool);

/* That REPORT is of a guest that lay in small pages: at most a tenth of it was
 * huge, but for what khugepaged has made since it had made KHUGEPAGED_BYTES
 * (khugepaged.h). */
void vm_sweep_expect_small_before(JsonNode *report, uint64_t khugepaged_bytes);

/* Bytes of the guest's RAM in huge pages, as the kernel has it. */
uint64_t vm_sweep_huge_bytes(VmQemu *vm);

/* At least 99% of what VM's RAM holds, and that is BYTES or more, lies in huge
 * pages: the kernel's words again, not ours. */
void vm_sweep_expect_huge(VmQemu *vm, uint64_t bytes);

/* Waits until the sweep that runs has made BYTES of VM's RAM huge. */
void vm_sweep_wait_huge(VmQemu *vm, uint64_t bytes);
