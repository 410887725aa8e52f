/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers of the kernel's ABI that a C library may be too old to name.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MADV_COLLAPSE /* Linux 6.1; glibc 2.37 */
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_pidfd_open /* Linux 5.3, the same on every architecture */
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise /* Linux 5.10, the same on every architecture */
#define SYS_process_madvise 440
#endif

/* An entry of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst. */
#define COLLAPSE_ENTRY_PRESENT (UINT64_C(1) << 63)
#define COLLAPSE_ENTRY_SWAPPED (UINT64_C(1) << 62)
#define COLLAPSE_ENTRY_FRAME ((UINT64_C(1) << 55) - 1) /* 0: is not told */

/* The walk of a process's page tables behind /proc/PID/pagemap, Linux 6.7:
 * Documentation/admin-guide/mm/pagemap.rst. Named apart from the kernel's
 * header, which a newer C library may bring in as well. */
#define COLLAPSE_PAGEMAP_SCAN _IOWR('f', 16, CollapsePagemapScan)
#define COLLAPSE_PAGE_PRESENT (UINT64_C(1) << 3)
#define COLLAPSE_PAGE_SWAPPED (UINT64_C(1) << 4)
#define COLLAPSE_PAGE_PFNZERO (UINT64_C(1) << 5)
#define COLLAPSE_PAGE_HUGE (UINT64_C(1) << 6)

typedef struct {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
} CollapsePagemapRegion;

typedef struct {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end; /* out: how far it came */
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
} CollapsePagemapScan;
