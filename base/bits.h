/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bits in arrays of 64-bit words, lowest first. Pure, inline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool
bits_get(const uint64_t *words, unsigned i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static inline void
bits_set(uint64_t *words, unsigned i)
{
    words[i / 64] |= UINT64_C(1) << (i % 64);
}

/* How many of the first 64 * N_WORDS bits are set. */
static inline unsigned
bits_count(const uint64_t *words, unsigned n_words)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_words; i++) {
        n += (unsigned)__builtin_popcountll(words[i]);
    }
    return n;
}

/* Set bits from FROM on, up to the first clear one or to END. */
static inline unsigned
bits_run(const uint64_t *words, unsigned from, unsigned end)
{
    unsigned n = 0;
    while (from + n < end && bits_get(words, from + n)) {
        n++;
    }
    return n;
}
