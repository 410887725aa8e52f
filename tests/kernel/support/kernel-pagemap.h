/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/PID/pagemap and /proc/kpageflags, as root sees them.
 * Format: Documentation/admin-guide/mm/pagemap.rst.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KERNEL_PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define KERNEL_PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56)

/* The 64-bit entry of the page at HVA. */
uint64_t kernel_pagemap_entry(pid_t pid, uint64_t hva);

/* The page frame; 0 if nothing is mapped there. */
uint64_t kernel_pagemap_frame(pid_t pid, uint64_t hva);

/* How many of N pages from HVA on are mapped. */
unsigned kernel_pagemap_present(pid_t pid, uint64_t hva, unsigned n);

/* Of a page that is mapped: is its folio a huge one? */
bool kernel_pagemap_is_huge(pid_t pid, uint64_t hva);
