/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Touch and free: see bench-warm.h.
 */
#include "tests/bench/bench-warm.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "base/range.h"

double
bench_warm(uint64_t bytes)
{
    uint64_t start = fd_now_ns();
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
        return 0;
    }
    /* In huge pages: they are freed as whole blocks, from which huge as well
     * as small pages can be had. */
    madvise(room, bytes, MADV_HUGEPAGE);
    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
        *(volatile char *)(room + at) = 1;
    }
    munmap(room, bytes);
    return (double)(fd_now_ns() - start) / 1e6;
}
