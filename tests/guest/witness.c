/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The witness: a guest that can say whether its memory survived a move, and
 * how long it had to wait for it. It fills RAM with known words, then touches
 * pages at random, checks what it reads, writes new generations, and prints a
 * line about it several times a second. It runs until it is powered off.
 *
 * Words on its command line (-append), all numbers:
 *   mib=64      MiB to fill                hot=64     MiB of them in random use
 *   seed=1      of the random numbers      write=25   % of accesses that write
 *   report=250  ms between two lines       zero=0     % of pages that are zeros
 *   sparse=1    fill every Nth page only; the others stay holes until the key
 *               'h' is pressed, and are then used like the rest
 *   scan=16     every Nth access checks the whole next page in order; 0: none
 *   stride=1    use every Nth word only (2^n): for slow, emulated vCPUs, where
 *               a page costs 130 µs at stride=1024 (one word) and slow=1000 fits
 *   slow=50     µs from which on an access counts as slow
 *   pace=0      µs to wait between two accesses
 *
 * The key 'p' powers the machine off, 'r' resets it.
 *
 * Lines (each ends in " ;", so that a torn one is known): "ready" after the
 * fill; "beat" with the sums since then (top, next: the two longest accesses
 * since the line before, in µs); "hist" with BUCKET:COUNT pairs, summed up
 * too; "WRONG" for the first wrong words. tests/support/witness-log.h reads
 * them.
 */
#include "witness-machine.h"
#include "witness-pages.h"

#define MULTIBOOT_LOADER 0x2badb002u
#define MULTIBOOT_MEMORY 0x1u
#define MULTIBOOT_CMDLINE 0x4u
#define FULL_CHECK_EVERY 64
#define RANDOM_WORDS 3
/* The firmware leaves things at the top of RAM that are not zero. */
#define TOP_RESERVE_KIB 1024u
/* Four buckets per power of two, from 1 µs to 2^24 µs. */
#define BUCKETS 96
#define KEY_H_SET1 0x23
#define KEY_H_SET2 0x33
#define KEY_P_SET1 0x19
#define KEY_P_SET2 0x4d
#define KEY_R_SET1 0x13
#define KEY_R_SET2 0x2d

typedef struct {
    uint32_t flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline;
} Multiboot;

typedef struct {
    const char *name;
    uint32_t value, least, most;
} Option;

enum { MIB, HOT, SEED, WRITE, REPORT, ZERO, SPARSE, SCAN, STRIDE, SLOW, PACE };

static Option options[] = {
    [MIB] = {"mib", 64, 1, 3500},   [HOT] = {"hot", 0, 0, 3500},
    [SEED] = {"seed", 1, 0, ~0u},   [WRITE] = {"write", 25, 0, 100},
    [REPORT] = {"report", 250, 10, 60000}, [ZERO] = {"zero", 0, 0, 100},
    [SPARSE] = {"sparse", 1, 1, 1u << 20}, [SCAN] = {"scan", 16, 0, ~0u},
    [STRIDE] = {"stride", 1, 1, 1024},     [SLOW] = {"slow", 50, 1, 1000000},
    [PACE] = {"pace", 0, 0, 1000000},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* Sums since "ready". */
static struct {
    uint64_t start, last_step, due;  /* ticks */
    uint64_t stalled, top, next;     /* ticks; of this access; since last line */
    uint64_t slow_ticks, max, total; /* threshold; longest; all slow ones */
    uint64_t accesses, lines, scans;
    uint32_t slow, hist_slow;
    uint32_t buckets[BUCKETS];
    uint32_t scan_page;
    bool holes; /* 'h' was pressed: holes are in use */
} run;

static uint32_t random_state[4];

/* xoshiro128**, Blackman and Vigna, public domain. */
static uint32_t
random_next(void)
{
    uint32_t *s = random_state;
    uint32_t r = s[1] * 5;
    r = (r << 7 | r >> 25) * 9;
    uint32_t t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 11 | s[3] >> 21;
    return r;
}

static void
random_seed(uint32_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b9u; /* splitmix32 */
        uint32_t z = seed;
        z = (z ^ z >> 16) * 0x85ebca6bu;
        z = (z ^ z >> 13) * 0xc2b2ae35u;
        random_state[i] = z ^ z >> 16;
    }
}

/* 0 to LIMIT - 1. */
static uint32_t
random_below(uint32_t limit)
{
    return (uint32_t)((uint64_t)random_next() * limit >> 32);
}

/* "NAME=NUMBER" at TEXT: true if it is this option's. */
static bool
parse_option(Option *option, const char *text)
{
    const char *name = option->name;
    while (*name && *name == *text) {
        name++;
        text++;
    }
    if (*name || *text++ != '=') {
        return false;
    }
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (uint32_t)(*text - '0');
    }
    if ((*text && *text != ' ') || value < option->least ||
        value > option->most) {
        machine_print(option->name);
        machine_die(": not a number or out of range");
    }
    option->value = value;
    return true;
}

/* The loader puts the file name first; the rest are words we must know. */
static void
parse_cmdline(const char *text)
{
    while (*text && *text != ' ') {
        text++;
    }
    for (; *text; text++) {
        bool known = *text == ' ';
        for (unsigned i = 0; !known && i < N_OPTIONS; i++) {
            known = parse_option(&options[i], text);
        }
        if (!known) {
            machine_print(text);
            machine_die(": unknown option");
        }
        while (text[0] != ' ' && text[1]) {
            text++;
        }
    }
    uint32_t stride = options[STRIDE].value;
    if (stride & (stride - 1)) {
        machine_die("stride must be a power of two");
    }
    if (options[HOT].value == 0 || options[HOT].value > options[MIB].value) {
        options[HOT].value = options[MIB].value;
    }
}

/* Ends one piece of work: if it took long, the access has stalled. A stall
 * anywhere counts, not only at the first touch: a page may go away and come
 * back while it is in use. */
static void
step(void)
{
    uint64_t now = machine_ticks();
    uint64_t took = now - run.last_step;
    run.last_step = now;
    if (took >= run.slow_ticks) {
        run.stalled += took;
    }
}

static void
no_step(void)
{
}

static void
count_stall(uint64_t ticks)
{
    uint64_t us = machine_us(ticks);
    uint32_t value = us >= 1u << 24 ? (1u << 24) - 1 : us ? (uint32_t)us : 1;
    uint32_t log = 31 - (uint32_t)__builtin_clz(value);
    uint32_t quarter = log >= 2 ? value >> (log - 2) & 3
                                : value << (2 - log) & 3;
    run.buckets[log * 4 + quarter]++;
    run.slow++;
    run.total += ticks;
    if (ticks > run.max) {
        run.max = ticks;
    }
    if (ticks > run.top) {
        run.next = run.top;
        run.top = ticks;
    } else if (ticks > run.next) {
        run.next = ticks;
    }
}

/* The timed part: everything that touches memory under test, the table of
 * generations included. */
static void
access_page(uint32_t page, bool full, bool writes)
{
    run.stalled = 0;
    run.last_step = machine_ticks();
    PagesView view;
    pages_look(&view, page);
    pages_check_word(&view, 0);
    step();
    if (full) {
        pages_check_all(&view, step);
    } else if (pages.stride < PAGES_PAGE_WORDS) {
        for (int i = 0; i < RANDOM_WORDS; i++) {
            pages_check_word(&view, random_next());
        }
        step();
    }
    if (writes) {
        pages_write(&view, step);
    }
    run.accesses++;
    if (run.stalled) {
        count_stall(run.stalled);
    }
}

static void
print_histogram(void)
{
    run.hist_slow = run.slow;
    machine_print("hist");
    machine_print_field("n", run.lines);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (run.buckets[i]) {
            machine_print(" ");
            machine_print_decimal(i);
            machine_print(":");
            machine_print_decimal(run.buckets[i]);
        }
    }
    machine_print(" ;\n");
}

static void
print_beat(void)
{
    run.lines++;
    machine_print("beat");
    machine_print_field("n", run.lines);
    machine_print_field("ms", machine_divide(
                                  machine_us(machine_ticks() - run.start),
                                  1000));
    machine_print_field("acc", run.accesses);
    machine_print_field("slow", run.slow);
    machine_print_field(
        "mean", machine_us(run.slow ? machine_divide(run.total, run.slow) : 0));
    machine_print_field("max", machine_us(run.max));
    machine_print_field("stall", machine_us(run.total));
    machine_print_field("top", machine_us(run.top));
    machine_print_field("next", machine_us(run.next));
    machine_print_field("wrong", pages.wrong);
    machine_print_field("scans", run.scans);
    machine_print(" ;\n");
    run.top = 0;
    run.next = 0;
    if (run.slow != run.hist_slow) {
        print_histogram();
    }
}

static void
take_key(uint8_t key)
{
    switch (key) {
    case KEY_H_SET1:
    case KEY_H_SET2:
        run.holes = true;
        machine_print("holes in use ;\n");
        break;
    case KEY_P_SET1:
    case KEY_P_SET2: machine_power_off(); break;
    case KEY_R_SET1:
    case KEY_R_SET2: machine_reset(); break;
    default: break;
    }
}

static void
report_if_due(void)
{
    /* The end of the last step is now, near enough. */
    if (run.last_step < run.due) {
        return;
    }
    take_key(machine_key());
    print_beat();
    run.due = machine_ticks() + (uint64_t)options[REPORT].value * 1000 *
                                    machine_ticks_per_us();
}

static uint32_t
pick_page(uint32_t hot_pages)
{
    uint32_t page = random_below(hot_pages);
    return run.holes ? page : page - page % options[SPARSE].value;
}

/* The next page in order: after two more scans every page was seen whole. */
static void
scan_next(void)
{
    access_page(run.scan_page, true, false);
    run.scan_page += run.holes ? 1 : options[SPARSE].value;
    if (run.scan_page >= pages.count) {
        run.scan_page = 0;
        run.scans++;
    }
}

static void
loop(uint32_t hot_pages)
{
    uint32_t scan_every = options[SCAN].value;
    uint32_t until_scan = scan_every;
    uint32_t until_full = FULL_CHECK_EVERY;
    uint64_t pace = (uint64_t)options[PACE].value * machine_ticks_per_us();
    for (;;) {
        if (scan_every && --until_scan == 0) {
            until_scan = scan_every;
            scan_next();
        } else {
            bool full = --until_full == 0;
            until_full = full ? FULL_CHECK_EVERY : until_full;
            access_page(pick_page(hot_pages), full,
                        random_below(100) < options[WRITE].value);
        }
        report_if_due();
        if (pace) {
            uint64_t until = machine_ticks() + pace;
            while (machine_ticks() < until) {
            }
        }
    }
}

static void
fill(uint32_t count)
{
    pages_init(count, options[ZERO].value, options[STRIDE].value);
    for (uint32_t page = 0; page < count; page += options[SPARSE].value) {
        PagesView view;
        pages_look(&view, page);
        pages_write(&view, no_step);
    }
}

static void
check_room(uint32_t count, uint32_t upper_kib)
{
    uint64_t end = PAGES_TABLE_AT + (uint64_t)count * (PAGES_PAGE_BYTES + 4) +
                   PAGES_PAGE_BYTES;
    uint64_t top = ((uint64_t)upper_kib + 1024 - TOP_RESERVE_KIB) * 1024;
    if (end > top) {
        machine_print_field("mib", options[MIB].value);
        machine_print_field("kib_above_1m", upper_kib);
        machine_print(" ");
        machine_die("not enough RAM below the first hole: mib= must leave 4 MiB");
    }
}

void witness_main(uint32_t magic, const Multiboot *multiboot);

void
witness_main(uint32_t magic, const Multiboot *multiboot)
{
    machine_init();
    machine_print("\nwitness: measuring and filling ;\n");
    uint32_t needed = MULTIBOOT_MEMORY | MULTIBOOT_CMDLINE;
    if (magic != MULTIBOOT_LOADER || (multiboot->flags & needed) != needed) {
        machine_die("not started by a multiboot loader (use QEMU's -kernel)");
    }
    parse_cmdline((const char *)multiboot->cmdline);
    uint32_t count = options[MIB].value << 8;
    check_room(count, multiboot->mem_upper_kib);
    random_seed(options[SEED].value);
    uint64_t start = machine_ticks();
    fill(count);
    run.slow_ticks = (uint64_t)options[SLOW].value * machine_ticks_per_us();
    run.start = machine_ticks();
    machine_print("ready");
    machine_print_field("ticks_per_us", machine_ticks_per_us());
    machine_print_field("fill_ms",
                        machine_divide(machine_us(run.start - start), 1000));
    machine_print_field("pages", count);
    machine_print_field("area", pages.area);
    machine_print(" ;\n");
    loop(options[HOT].value << 8);
}
