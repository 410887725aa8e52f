/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One byte per page of a RAM block: where the page is on its way. The bytes
 * live in memory the caller gives (a file that another process can map), so
 * that a helper that takes over knows what its predecessor knew.
 *
 *            claim (CAS)             finish
 *   ABSENT -------------> FILLING -------------> PRESENT
 *      ^                     |
 *      +----- give up -------+
 *
 * Invariants, on which the life of the guest depends:
 *  1. Only the thread whose claim succeeded writes the page's bytes.
 *  2. Nobody writes a page that is PRESENT, and only a PRESENT page is ever
 *     mapped into the guest.
 *  3. WANTED travels in the same byte as the state: "a guest thread waits for
 *     this page" and "the page is final" are one atomic word, so there is no
 *     moment in which the one who wants and the one who finishes can miss
 *     each other: want() returns PRESENT, or finish() returns WANTED.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PAGE_ABSENT = 0,
    PAGE_FILLING = 1,
    PAGE_PRESENT = 2,
    PAGE_STATE_MASK = 3,
    PAGE_WANTED = 4, /* a fault was read; whoever finishes must map and wake */
    PAGE_ASKED = 8,  /* the source was asked for it on the urgent connection */
    PAGE_DISCARDED = 16, /* the guest threw it away: what comes is too old */
};

typedef _Atomic uint8_t PageState;

static inline unsigned
page_state_get(const PageState *state)
{
    return atomic_load_explicit(state, memory_order_acquire) & PAGE_STATE_MASK;
}

/* ABSENT -> FILLING; false if it was anything else. The flags stay. */
bool page_state_claim(PageState *state);

/* FILLING -> PRESENT, clearing the flags; returns true if somebody wanted it.
 * Only the claimer may call it, after the last byte is written. */
bool page_state_finish(PageState *state);

/* The same, unless the page was discarded while it was being filled: then false,
 * and the state stays FILLING until page_state_finish(), before which the bytes
 * must be made zero. */
bool page_state_try_finish(PageState *state, bool *wanted);

/* The guest discarded the page, and whoever fills it from now on is to be told,
 * also a successor's threads. Changes nothing else, and nothing if PRESENT. */
void page_state_doom(PageState *state);

/* The guest discarded the page. Returns the state it was in: PRESENT, nothing
 * was noted (what is mapped is the guest's own business); FILLING, whoever fills
 * it will be told by try_finish(); ABSENT, it is FILLING now and the caller's,
 * who finishes it as a page of zeros. */
unsigned page_state_discard(PageState *state);

static inline bool
page_state_is_discarded(const PageState *state)
{
    return atomic_load_explicit(state, memory_order_acquire) & PAGE_DISCARDED;
}

/* FILLING -> ABSENT (the stream broke); WANTED and DISCARDED stay, ASKED is cleared so that
 * it will be asked for again. Returns true if somebody wants it. */
bool page_state_give_up(PageState *state);

/* Notes that a guest thread waits. Returns the state it found: PRESENT means
 * that nothing was noted, map it now. *ASK is true if the caller is the first
 * to want an ABSENT page and so has to ask for it. */
unsigned page_state_want(PageState *state, bool *ask);

/* Forgets that it was asked for (the connection that carried the question
 * broke); returns true if it is still wanted and has to be asked for again. */
bool page_state_unask(PageState *state);

/* The pages [first, first + n) in STATE, from FIRST on: the length of the run
 * of pages that are in STATE, 0 if the first is not. */
unsigned page_state_run(const PageState *states, uint64_t first, unsigned n,
                        unsigned state);
