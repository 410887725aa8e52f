/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The memory under test. Every page has a generation; each of its words is a
 * function of (page number, generation, word index), so a page that is lost,
 * swapped with another, torn or stale is told from the right one. Generation
 * 0 is a hole: never written, reads as zeros.
 *
 *   1 MiB    2 MiB                 area
 *   | image  | generations, 4 B/page | page 0 | page 1 | ...
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGES_TABLE_AT 0x200000u
#define PAGES_PAGE_BYTES 4096u
#define PAGES_PAGE_WORDS 1024u

typedef struct {
    uint32_t count;        /* pages in the area */
    uint32_t zero_percent; /* generations whose content is all zeros */
    uint32_t stride;       /* every how many words one is ours; a power of 2 */
    uint32_t area;         /* GPA of page 0 */
    uint32_t wrong;        /* words found wrong so far */
} Pages;

extern Pages pages;

/* Called between two pieces of work on the memory, each some microseconds at
 * most: the caller measures how long it took. */
typedef void (*PagesStep)(void);

/* Lays out COUNT pages, all holes. */
void pages_init(uint32_t count, uint32_t zero_percent, uint32_t stride);

/* One page and what it must hold: worked out once per access, because under
 * an emulated vCPU every instruction counts. */
typedef struct {
    uint32_t page, generation, base;
    bool zero;
    volatile uint32_t *words;
} PagesView;

/* Looks PAGE up in the table, whose entries carry a check. */
void pages_look(PagesView *view, uint32_t page);

/* Reads a word and compares it; INDEX is brought into range. */
void pages_check_word(const PagesView *view, uint32_t index);

/* Compares all words. */
void pages_check_all(const PagesView *view, PagesStep step);

/* Gives the page its next generation and writes all words. */
void pages_write(const PagesView *view, PagesStep step);
