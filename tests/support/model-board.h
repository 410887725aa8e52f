/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the guest of a scene knows about itself, kept outside of every QEMU: a
 * file that the test and all models of QEMU (model-qemu.c) map. Each word that
 * the guest writes to its memory is noted here as well, so memory that was lost
 * or is stale is told from the right one; and who runs the guest says so, so
 * that a guest that runs twice is seen, however short it was.
 */
#pragma once

#include <stdint.h>

#define MODEL_PAGE_BYTES 4096
#define MODEL_PAGES 2048 /* most RAM that a guest may have, 8 MiB */
#define MODEL_SLOTS 4    /* QEMUs of one scene */

typedef struct {
    uint32_t runs[MODEL_SLOTS];  /* that QEMU runs the guest now */
    uint32_t ran[MODEL_SLOTS];   /* it has run it at some time */
    uint32_t twice;              /* two did at the same time */
    uint32_t strangers;          /* cancelled migrations of somebody else */
    uint64_t ticks;              /* words written */
    uint64_t wrong;              /* words read that were not the guest's */
    /* that QEMU's devices read such a word when they were loaded, which matters
     * if it runs the guest then, and not if the guest goes on elsewhere */
    uint32_t misloaded[MODEL_SLOTS];
    uint64_t stamp[MODEL_PAGES]; /* the last word written to each page */
} ModelBoard;
