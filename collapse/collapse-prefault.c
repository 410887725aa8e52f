/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A huge page of our own, touched and given back: see collapse-prefault.h.
 */
#include "collapse/collapse-prefault.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/range.h"

struct CollapsePrefault {
    void *room;
    volatile uint8_t *page; /* in ROOM, 2 MiB aligned */
};

CollapsePrefault *
collapse_prefault_new(void)
{
    /* Any 2 MiB of address space are whole and aligned within 4. */
    void *room = mmap(NULL, 2 * EXTENT_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return NULL;
    }
    CollapsePrefault *prefault = g_new(CollapsePrefault, 1);
    prefault->room = room;
    prefault->page = (uint8_t *)(uintptr_t)range_round_down(
        (uintptr_t)room + EXTENT_BYTES - 1, EXTENT_BYTES);
    madvise((void *)prefault->page, EXTENT_BYTES, MADV_HUGEPAGE);
    return prefault;
}

void
collapse_prefault_free(CollapsePrefault *prefault)
{
    if (prefault) {
        munmap(prefault->room, 2 * EXTENT_BYTES);
        g_free(prefault);
    }
}

void
collapse_prefault_page(CollapsePrefault *prefault)
{
    if (prefault) {
        /* One byte: the kernel fills all of a huge page with zeros. */
        *prefault->page = 1;
        madvise((void *)prefault->page, EXTENT_BYTES, MADV_DONTNEED);
    }
}
