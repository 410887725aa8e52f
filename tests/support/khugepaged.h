/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the host's khugepaged does beside a test. It may come by at any moment,
 * and then makes up to 16 MiB of a guest with ordinary RAM huge at once (its
 * defaults: 4096 pages each 10 s): a sixth of a small guest.
 */
#pragma once

#include <stdint.h>

/* Bytes that khugepaged has made huge on this host since it started, for
 * whomever; 0 where the kernel has none. What MADV_COLLAPSE makes is not among
 * them: only khugepaged's own scan counts (mm/khugepaged.c,
 * khugepaged_scan_mm_slot(), pages_collapsed). */
uint64_t khugepaged_made_bytes(void);
