/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One byte per page: see page-state.h for the invariants.
 */
#include "base/page-state.h"

bool
page_state_claim(PageState *state)
{
    uint8_t old = atomic_load_explicit(state, memory_order_relaxed);
    do {
        if ((old & PAGE_STATE_MASK) != PAGE_ABSENT) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        state, &old, (uint8_t)(old | PAGE_FILLING), memory_order_acq_rel,
        memory_order_relaxed));
    return true;
}

bool
page_state_finish(PageState *state)
{
    uint8_t old =
        atomic_exchange_explicit(state, PAGE_PRESENT, memory_order_acq_rel);
    return old & PAGE_WANTED;
}

bool
page_state_try_finish(PageState *state, bool *wanted)
{
    uint8_t old = atomic_load_explicit(state, memory_order_acquire);
    do {
        if (old & PAGE_DISCARDED) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        state, &old, PAGE_PRESENT, memory_order_acq_rel,
        memory_order_acquire));
    *wanted = old & PAGE_WANTED;
    return true;
}

void
page_state_doom(PageState *state)
{
    uint8_t old = atomic_load_explicit(state, memory_order_acquire);
    do {
        if ((old & PAGE_STATE_MASK) == PAGE_PRESENT) {
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        state, &old, (uint8_t)(old | PAGE_DISCARDED), memory_order_acq_rel,
        memory_order_acquire));
}

unsigned
page_state_discard(PageState *state)
{
    uint8_t old = atomic_load_explicit(state, memory_order_acquire);
    uint8_t next;
    do {
        if ((old & PAGE_STATE_MASK) == PAGE_PRESENT) {
            return PAGE_PRESENT;
        }
        next = (old & PAGE_STATE_MASK) == PAGE_ABSENT
                   ? (uint8_t)(old | PAGE_FILLING)
                   : (uint8_t)(old | PAGE_DISCARDED);
    } while (!atomic_compare_exchange_weak_explicit(
        state, &old, next, memory_order_acq_rel, memory_order_acquire));
    return old & PAGE_STATE_MASK;
}

bool
page_state_give_up(PageState *state)
{
    uint8_t old = atomic_fetch_and_explicit(
        state, (uint8_t)~(PAGE_STATE_MASK | PAGE_ASKED), memory_order_acq_rel);
    return old & PAGE_WANTED;
}

unsigned
page_state_want(PageState *state, bool *ask)
{
    uint8_t old = atomic_load_explicit(state, memory_order_acquire);
    uint8_t next;
    do {
        *ask = false;
        if ((old & PAGE_STATE_MASK) == PAGE_PRESENT) {
            return PAGE_PRESENT;
        }
        next = old | PAGE_WANTED;
        if ((old & PAGE_STATE_MASK) == PAGE_ABSENT && !(old & PAGE_ASKED)) {
            next |= PAGE_ASKED;
            *ask = true;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        state, &old, next, memory_order_acq_rel, memory_order_acquire));
    return old & PAGE_STATE_MASK;
}

bool
page_state_unask(PageState *state)
{
    uint8_t old = atomic_fetch_and_explicit(state, (uint8_t)~PAGE_ASKED,
                                            memory_order_acq_rel);
    return (old & PAGE_WANTED) && (old & PAGE_STATE_MASK) == PAGE_ABSENT;
}

unsigned
page_state_run(const PageState *states, uint64_t first, unsigned n,
               unsigned state)
{
    unsigned length = 0;
    while (length < n && page_state_get(&states[first + length]) == state) {
        length++;
    }
    return length;
}
