/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A computation that lives in registers only: general ones, flags, the red
 * zone, x87, MXCSR, XMM/YMM and, if there, ZMM and mask registers. Whoever
 * disturbs the thread without putting everything back changes the outcome.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t rounds;       /* offset 0 */
    uint64_t avx512;       /* 8: nonzero to use it */
    uint64_t sum;          /* 16: out */
    uint64_t red;          /* 24: out, exclusive or of the red zone */
    uint32_t mxcsr;        /* 32: in and out */
    uint32_t pad;
    double x87;            /* 40: in and out */
    uint64_t mask;         /* 48: in and out, k1 */
    uint64_t pad2;
    double lanes[16][4];   /* 64: in and out, ymm0 to ymm15 */
    double wide[4][8];     /* 576: in and out, zmm16 to zmm19 */
} Spin;

void victim_spin_init(Spin *spin, uint64_t rounds, bool avx512);
void victim_spin_run(Spin *spin);

/* NULL if the outcome is right, else what is not. */
const char *victim_spin_verdict(const Spin *spin);
