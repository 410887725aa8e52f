/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the processes of pages.pml share, how large it is, and what one atomic
 * access or one system call does to it.
 */
#ifndef PAGES
#define PAGES 2
#endif
#ifndef EXTENT_PAGES
#define EXTENT_PAGES PAGES
#endif
#ifndef PIECE_PAGES
#define PIECE_PAGES 2           /* migrate-fill.c claims so many at once */
#endif
#ifndef BULKS
#define BULKS 1
#endif
#ifndef VCPUS
#define VCPUS 1
#endif
#ifndef TOUCHES
#define TOUCHES 1               /* of each vCPU, each of any page */
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef RECLAIMS
#define RECLAIMS 0
#endif
#ifndef ZEROS
#define ZEROS 0                 /* mask of the pages that are zero */
#endif
/* SLOW_BULK: not one page comes in bulk. Then it need not come to an end, but
 * whoever touches a page must get it all the same. */
#ifdef SLOW_BULK
#define WAITS(label) label:
#else
#define WAITS(label)
#endif
#define EXTENTS (PAGES / EXTENT_PAGES)
#define CONNECTIONS (1 + BULKS) /* urgent, then bulk */
#define THREADS (3 + BULKS)     /* of the destination */
#define is_zero(p) ((ZEROS >> (p)) & 1)

/* base/page-state.h: one byte a page, in memory that survives a crash. */
#define ABSENT 0
#define FILLING 1
#define PRESENT 2
byte state[PAGES];
bit wanted[PAGES], asked[PAGES];

/* What the kernel holds: the RAM file, QEMU's page table, waiting threads. */
#define NOTHING 0 /* a fresh folio, or a hole: zeros */
#define PART 1
#define FINAL 2
#define GUEST 3   /* the guest has written since */
byte bytes[PAGES];
bit mapped[PAGES];
byte waits[VCPUS]; /* page + 1 that it sleeps for */
bit queued[VCPUS]; /* its event was not read yet */
bit unregistered;

#define is_right(p) (bytes[p] >= FINAL || (is_zero(p) && bytes[p] == NOTHING))

/* The network: one set of connections at a time (migrate-outage.h). */
#define END 255
bit up[CONNECTIONS] = 1;
bit c_up = 1; /* control */
bit calling; /* the destination dials, the source has not let it in */
chan questions = [PAGES + 1] of { byte };
chan answers = [PAGES + 1] of { byte };
chan bulk[BULKS] = [1] of { byte }; /* a mask of pages: WireExtent */
mtype = { RECONNECT, ACCEPT, DONE };
#define STOP 1
#define START 2
chan to_source = [1] of { mtype };
chan to_destination = [1] of { mtype };

/* The destination's process; lost in a crash. */
byte present[EXTENTS], total;
byte complete[EXTENTS]; /* 1: offered to the huge thread, 2: tried */
bit alarm, orphans;
bit fills[BULKS] = 1;    /* this bulk thread is at work */
byte urgent_order; /* the main thread to the fault thread: STOP or START */
bit crashed, resumed;
byte dead; /* threads that have ended by it */

/* The source's process. */
bit sent[PAGES], told[PAGES], offered[EXTENTS] = 1;
bit serves = 1, pushes[BULKS] = 1; /* this thread is at work */
bit source_gone;

byte left_breaks = BREAKS, left_crashes = CRASHES, left_reclaims = RECLAIMS;

/* ---- what one atomic access, or one system call, does ---- */

inline wake(p)
{
    for (w : 0 .. VCPUS - 1) {
        if
        :: waits[w] == p + 1 -> waits[w] = 0; queued[w] = 0
        :: else
        fi
    }
    w = 0
}

/* uffd_map_page(): CONTINUE maps and wakes, EEXIST is answered by WAKE. */
inline map(p)
{
    assert(is_right(p)); /* never mapped before final */
    mapped[p] = 1;
    wake(p)
}

/* Any write of ours into the RAM file: to a page that the guest cannot see,
 * and has not written. */
inline write(p, what)
{
    assert(!mapped[p] && bytes[p] != GUEST);
    bytes[p] = what
}

/* page_state_claim() */
inline claim(p, got)
{
    got = (state[p] == ABSENT);
#ifdef MUTATE_CLAIM_FILLING
    got = (state[p] != PRESENT);
#endif
#ifdef MUTATE_CLAIM_PRESENT
    got = (state[p] != FILLING);
#endif
    if
    :: got -> state[p] = FILLING
    :: else
    fi
}

/* page_state_finish() */
inline finish(p, was)
{
    was = wanted[p];
#ifdef MUTATE_FINISH_FORGETS
    was = 0;
#endif
    state[p] = PRESENT; wanted[p] = 0; asked[p] = 0
}

/* count_present(), of N pages from P in one extent */
inline count(p, n)
{
    present[(p) / EXTENT_PAGES] = present[(p) / EXTENT_PAGES] + n;
    if
#ifdef MUTATE_COLLAPSE_EARLY
    :: present[(p) / EXTENT_PAGES] >= EXTENT_PAGES - 1 ->
#else
    :: present[(p) / EXTENT_PAGES] == EXTENT_PAGES ->
#endif
        complete[(p) / EXTENT_PAGES] = 1
    :: else
    fi;
    total = total + n
}

/* migrate_pages_give_up() */
inline give_up(p)
{
#ifdef MUTATE_GIVE_UP_PRESENT
    state[p] = PRESENT;
#else
    state[p] = ABSENT;
#endif
    asked[p] = 0;
    orphans = orphans | wanted[p]
}

/* copy_page(): UFFDIO_COPY into a small extent allocates, fills, maps and wakes
 * at once; EEXIST says that the file has a page there, which is taken for one
 * that nobody has seen: write_to_file(). */
inline copy(p)
{
    if
    :: bytes[p] == NOTHING -> bytes[p] = FINAL
    :: else -> write(p, FINAL)
    fi;
    map(p)
}

/* The workers of the destination are tables: one line of `do` for each atomic
 * access, PC says which is next. A worker ends where it stands when its process
 * is killed, and begins anew with the next one. */
#if CRASHES
#define at(where) (pc == where && !crashed)
#define DIES (crashed && pc != GONE)
#else
#define at(where) (pc == where)
#endif
#define IDLE 0
#define GONE 1

/* What was on its way is lost with its connection. A reader that still gets it
 * is one that the break has not reached yet, so nothing is left out by that. */
inline cut(n)
{
    up[n] = 0;
    do
    :: n == 0 && nempty(questions) -> questions?_
    :: n == 0 && nempty(answers) -> answers?_
    :: n == 0 && empty(questions) && empty(answers) -> break
    :: n > 0 && nempty(bulk[n - 1]) -> bulk[n - 1]?_
    :: n > 0 && empty(bulk[n - 1]) -> break
    od
}

inline cut_control()
{
    c_up = 0;
    do
    :: nempty(to_source) -> to_source?_
    :: nempty(to_destination) -> to_destination?_
    :: empty(to_source) && empty(to_destination) -> break
    od
}

inline cut_all()
{
    cut(0);
    cut(1);
#if BULKS > 1
    cut(2);
#endif
    cut_control()
}
