/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two zero pages of the kernel, which private anonymous memory maps where
 * it was only read: they are no data. The small one is there for good. The
 * huge one (mm/huge_memory.c) is made when somebody first needs it and freed
 * when nobody has it any more, so its frames mean something only while we have
 * it ourselves: look between open and close.
 *
 * Some kernels have neither for us: a first read of private memory then gets a
 * page of its own, as a write does. Nothing is known to be a zero page there,
 * and such pages count as the memory that they are.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t small; /* its frame; 0: not told (without CAP_SYS_ADMIN), or
                       there is none */
    uint64_t huge;  /* the first of its 512 frames; 0: not told, or there is
                       none (use_zero_page 0, enabled never) */
    bool hidden;    /* PAGEMAP_SCAN says of the huge one that it is data: from
                       Linux 6.7 until "fs/proc/task_mmu: fix PAGE_IS_PFNZERO
                       detection for the huge zero folio" (6.16) */
    void *room;
} CollapseZero;

/* Cannot fail: what is not found is 0, and then counts as data. */
void collapse_zero_open(CollapseZero *zero);
void collapse_zero_close(CollapseZero *zero);

/* The same by other eyes than /proc/self/pagemap: LOOK reads the byte at HVA and
 * gives the entries of N pages from there on; false if it cannot. */
typedef bool (*CollapseZeroLook)(gpointer data, uint64_t hva,
                                 uint64_t *entries, size_t n);
void collapse_zero_open_by(CollapseZero *zero, CollapseZeroLook look,
                           gpointer data);

/* Whether ENTRY, of any process's /proc/PID/pagemap, is of one of the two. */
bool collapse_zero_is(const CollapseZero *zero, uint64_t entry);
