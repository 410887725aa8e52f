/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a page of our own memory is on: a zero page of the kernel, or a page of
 * its own. After a first read it is the one on most kernels and the other on
 * some, so a test has to look. By /proc/self/pagemap and /proc/kpageflags, not
 * by what is tested.
 */
#pragma once

#include <stdint.h>

typedef enum {
    ZERO_PROBE_UNKNOWN, /* frames are told to CAP_SYS_ADMIN only */
    ZERO_PROBE_NOTHING, /* nothing is mapped */
    ZERO_PROBE_ZERO,
    ZERO_PROBE_OWN,
} ZeroProbe;

/* The entry of the page at HVA in /proc/self/pagemap. */
uint64_t zero_probe_entry(const void *hva);

ZeroProbe zero_probe_page(const void *hva);

/* How many of the N pages from HVA on are on pages of their own; only where
 * zero_probe_page() knows. */
unsigned zero_probe_count_own(const uint8_t *hva, unsigned n);
