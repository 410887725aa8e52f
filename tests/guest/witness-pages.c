/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Words, generations and what is wrong with them. All reads and writes of the
 * memory under test are here, through volatile pointers: the compiler must
 * neither drop a read nor guess what was written.
 */
#include "witness-pages.h"

#include "witness-machine.h"

#define CHUNK_WORDS 64u
#define WRONG_LINES 20

Pages pages;

static volatile uint32_t *const table = (volatile uint32_t *)PAGES_TABLE_AT;

static uint32_t
mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static void
view_generation(PagesView *view, uint32_t generation)
{
    view->generation = generation;
    view->base = mix(view->page * 0x9e3779b1u ^ generation * 0x85ebca77u);
    view->zero = generation == 0 ||
                 (pages.zero_percent &&
                  mix(view->base) % 100 < pages.zero_percent);
}

/* The first word is odd, so that a page with content never starts with 0. */
static inline uint32_t
word(uint32_t base, uint32_t index)
{
    uint32_t x = base + index * 0xc2b2ae3du;
    x ^= x >> 15;
    x *= 0x2c1b3c6du;
    x ^= x >> 12;
    return index ? x : x | 1;
}

static uint32_t
table_entry(uint32_t page, uint32_t generation)
{
    return generation << 16 |
           ((page + 1) * 0x9e3779b1u ^ generation * 0x85ebca77u) >> 16;
}

static void
report_wrong(const char *what, uint32_t page, uint32_t index, uint32_t expected,
             uint32_t found)
{
    if (pages.wrong++ >= WRONG_LINES) {
        return;
    }
    machine_print("\nWRONG ");
    machine_print(what);
    machine_print_field("page", page);
    machine_print_field("word", index);
    machine_print(" expected=");
    machine_print_hex(expected);
    machine_print(" found=");
    machine_print_hex(found);
    machine_print("\n");
}

void
pages_init(uint32_t count, uint32_t zero_percent, uint32_t stride)
{
    pages = (Pages){.count = count, .zero_percent = zero_percent,
                    .stride = stride};
    uint32_t end = PAGES_TABLE_AT + count * sizeof(uint32_t);
    pages.area = (end + PAGES_PAGE_BYTES - 1) & ~(PAGES_PAGE_BYTES - 1);
    for (uint32_t page = 0; page < count; page++) {
        table[page] = table_entry(page, 0);
    }
}

void
pages_look(PagesView *view, uint32_t page)
{
    uint32_t entry = table[page];
    uint32_t generation = entry >> 16;
    uint32_t expected = table_entry(page, generation);
    if (entry != expected) {
        report_wrong("table", page, 0, expected, entry);
    }
    view->page = page;
    view->words = (volatile uint32_t *)(pages.area + page * PAGES_PAGE_BYTES);
    view_generation(view, generation);
}

static inline void
check(const PagesView *view, uint32_t index)
{
    uint32_t expected = view->zero ? 0 : word(view->base, index);
    uint32_t found = view->words[index];
    if (found != expected) {
        report_wrong("data", view->page, index, expected, found);
    }
}

void
pages_check_word(const PagesView *view, uint32_t index)
{
    check(view, index % PAGES_PAGE_WORDS & ~(pages.stride - 1));
}

void
pages_check_all(const PagesView *view, PagesStep step)
{
    for (uint32_t i = 0; i < PAGES_PAGE_WORDS; i += pages.stride) {
        check(view, i);
        if (i % CHUNK_WORDS == 0) {
            step();
        }
    }
    step();
}

void
pages_write(const PagesView *view, PagesStep step)
{
    PagesView next = *view;
    view_generation(&next, view->generation == 0xffff ? 1
                                                      : view->generation + 1);
    table[next.page] = table_entry(next.page, next.generation);
    for (uint32_t i = 0; i < PAGES_PAGE_WORDS; i += pages.stride) {
        next.words[i] = next.zero ? 0 : word(next.base, i);
        if (i % CHUNK_WORDS == 0) {
            step();
        }
    }
    step();
}
