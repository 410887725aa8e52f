/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Touch and free: see bench-warm.h.
 */
#include "tests/bench/bench-warm.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "base/range.h"

static char *
take(uint64_t bytes, int advice)
{
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
        return NULL;
    }
    madvise(room, bytes, advice);
    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
        *(volatile char *)(room + at) = 1;
    }
    return room;
}

double
bench_warm(uint64_t small_bytes, uint64_t huge_bytes)
{
    uint64_t start = fd_now_ns();
    char *huge = huge_bytes ? take(huge_bytes, MADV_HUGEPAGE) : NULL;
    char *small = small_bytes ? take(small_bytes, MADV_NOHUGEPAGE) : NULL;
    if (small) {
        munmap(small, small_bytes);
    }
    if (huge) {
        munmap(huge, huge_bytes);
    }
    return (double)(fd_now_ns() - start) / 1e6;
}
