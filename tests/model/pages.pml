/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of a page, as a model for spin: who may write it, who may show it to
 * the guest, and that each one arrives in the end, whatever breaks. Each
 * process is a thread of the code, each step what that thread does in one
 * atomic access; the functions are named. README.md says what is left out.
 *
 * Sizes are given by -D; every MUTATE_x is a mistake on purpose that check.sh
 * expects spin to find.
 */
#include "pages-state.pml"

/* ---- the guest ---- */

active [VCPUS] proctype Vcpu()
{
    byte n, p;
    do
    :: atomic { n < TOUCHES ->
        n++;
        select(p : 0 .. PAGES - 1);
        do
        :: mapped[p] ->
            assert(is_right(p)); /* it never reads another byte */
            if
            :: true -> bytes[p] = GUEST
            :: true
            fi;
            break
        :: !mapped[p] && unregistered -> mapped[p] = 1
        :: !mapped[p] && !unregistered ->
            waits[_pid] = p + 1; queued[_pid] = 1;
            waits[_pid] == 0 /* it sleeps here */
        od;
        p = 0
       }
    :: n == TOUCHES -> break
    od
}

#if RECLAIMS
/* Reclaim or compaction takes a page out of QEMU's table: it faults again. */
active proctype Kernel()
{
    byte p;
end_idle:
    do
    :: atomic { left_reclaims > 0 ->
        left_reclaims--;
        select(p : 0 .. PAGES - 1);
        mapped[p] = 0;
        p = 0
       }
    od
}
#endif

/* ---- the destination ---- */

#define TAKE 2
#define ANSWER 3
#define WRITE 4
#define FINISH 5
#define SHOW 6
#define COUNT 7
#define ORPHANS 8

/* page_state_want(), after FOUND was read */
inline want()
{
    got = 0;
    if
    :: found == PRESENT
    :: else ->
        wanted[p] = 1;
        got = (found == ABSENT && !asked[p]);
        asked[p] = asked[p] | got
    fi
}

/* ask(): what is written to a connection that broke is lost. */
inline ask()
{
    if
    :: got && urgent && up[0] -> questions!p
    :: else
    fi;
    got = 0
}

inline forget_fault()
{
    got = 0; found = 0; v = 0; p = 0; w = 0
}

/* migrate-fault.c */
active proctype Fault()
{
    byte p, v, w, found, pc;
    bit urgent = 1, got;
end_run:
    do
    /* read_events(), take_fault() */
    :: d_step { at(IDLE) && queued[v] ->
        queued[v] = 0;
        p = waits[v] - 1;
        v = 0;
        found = state[p];
#ifndef MUTATE_WANT_IN_TWO
        want();
#endif
        pc = TAKE }
#if VCPUS > 1
    :: d_step { at(IDLE) && !queued[v] && queued[1 - v] -> v = 1 - v }
#endif
    :: d_step { at(TAKE) ->
#ifdef MUTATE_WANT_IN_TWO
        want();
#endif
        if
        :: found == PRESENT -> map(p)
        :: else -> ask()
        fi;
        forget_fault();
        pc = IDLE }
    /* read_answers(), take_answer(), migrate_pages_store() or _zero() */
    :: d_step { at(IDLE) && urgent && nempty(answers) ->
        answers?p;
        claim(p, got);
        if
        :: !got -> p = 0 /* a duplicate */
        :: got && is_zero(p) -> pc = FINISH
        :: got && !is_zero(p) -> pc = ANSWER
        fi;
        got = 0 }
#ifdef SMALL
    :: d_step { at(ANSWER) -> copy(p); pc = FINISH }
#else
    :: d_step { at(ANSWER) -> write(p, PART); pc = WRITE }
    :: d_step { at(WRITE) -> write(p, FINAL); pc = FINISH }
#endif
    :: d_step { at(FINISH) -> finish(p, got); pc = (got -> SHOW : COUNT) }
    :: d_step { at(SHOW) -> map(p); pc = COUNT }
    :: d_step { at(COUNT) -> count(p, 1); forget_fault(); pc = IDLE }
    /* lose_urgent() */
    :: d_step { at(IDLE) && urgent && !up[0] -> urgent = 0; alarm = 1 }
    /* ask_for_orphans() */
    :: d_step { at(IDLE) && orphans -> orphans = 0; pc = ORPHANS }
    :: d_step { at(ORPHANS) ->
        got = (state[p] == ABSENT && wanted[p] && !asked[p]);
        asked[p] = asked[p] | got;
        ask();
        p++;
        if
        :: p == PAGES -> p = 0; pc = IDLE
        :: else
        fi }
    /* restart_fault(): a new thread, without a connection */
    :: d_step { at(IDLE) && urgent_order == STOP ->
        urgent = 0; urgent_order = 0 }
    /* put_to_work(): migrate_fault_stop(), migrate_pages_unask_all(),
     * migrate_fault_start(). No worker lives meanwhile. */
    :: d_step { at(IDLE) && urgent_order == START ->
#ifndef MUTATE_NO_UNASK
        for (p : 0 .. PAGES - 1) { /* page_state_unask() */
            asked[p] = 0;
            orphans = orphans | (wanted[p] && state[p] == ABSENT)
        }
        p = 0;
#endif
        urgent = 1; urgent_order = 0 }
#if CRASHES
    :: d_step { DIES -> forget_fault(); urgent = 0; pc = GONE; dead++ }
    :: d_step { at(GONE) -> pc = IDLE }
#endif
    od
}

#define has(mask, p) ((((mask) >> (p)) & 1) && !is_zero(p))
#define NEXT 9
#define ZERO 10
#define CLAIM 11
#define RECEIVE 12
#define COPY 13
#define GIVE_BACK 14
#define BROKEN 15

/* To the next page whose bytes are in the extent's message; behind the last,
 * to the next message. */
inline seek_data()
{
    n = 0; k = 0; got = 0;
    do
    :: p < PAGES && !has(mask, p) -> p++
    :: p < PAGES && has(mask, p) -> pc = CLAIM; break
    :: p >= PAGES -> pc = NEXT; mask = 0; p = 0; break
    od
}

inline seek_zero()
{
    do
    :: p < PAGES && !(((mask >> p) & 1) && is_zero(p)) -> p++
    :: p < PAGES && ((mask >> p) & 1) && is_zero(p) -> pc = ZERO; break
    :: p >= PAGES -> p = 0; seek_data(); break
    od
}

inline forget_fill()
{
    mask = 0; p = 0; k = 0; n = 0; got = 0; w = 0
}

/* The next page of the piece, or, behind its last, WHAT. */
inline next_of_piece(again, what)
{
    k++;
    if
    :: k < p + n -> pc = again
    :: else -> k = p; pc = what
    fi
}

/* migrate-fill.c */
active [BULKS] proctype Fill()
{
    byte me = _pid - VCPUS - (RECLAIMS > 0) - 1;
    byte mask, p, k, n, w, pc;
    bit got;
end_run:
    do
    :: d_step { at(IDLE) && fills[me] -> pc = NEXT }
    /* receive_all() */
    :: d_step { at(NEXT) && nempty(bulk[me]) ->
        bulk[me]?mask;
        if
        :: mask == END -> forget_fill(); fills[me] = 0; pc = IDLE
        :: else -> seek_zero()
        fi }
    :: d_step { at(NEXT) && empty(bulk[me]) && !up[me + 1] -> pc = BROKEN }
    /* receive_extent(): zeros are only claimed and finished, one by one. */
    :: d_step { at(ZERO) ->
        claim(p, got);
        if
        :: got -> n = 1; k = p; pc = FINISH
        :: else -> p++; seek_zero()
        fi }
    /* receive_piece(), claim_run() */
    :: d_step { at(CLAIM) ->
        claim(p + n, got);
        n = n + got;
        if
        :: got && n < PIECE_PAGES && p + n < PAGES && has(mask, p + n)
        :: n == 0 -> /* a duplicate is read away */
            p++;
            seek_data()
        :: else -> k = p; got = 0; pc = RECEIVE
        fi }
    /* receive_claimed(): the bytes come, or the stream breaks */
#ifdef SMALL
    :: d_step { at(RECEIVE) -> next_of_piece(RECEIVE, COPY) }
    :: d_step { at(COPY) -> copy(k); next_of_piece(COPY, FINISH) }
#else
    :: d_step { at(RECEIVE) -> write(k, PART);
#ifdef MUTATE_FINISH_EARLY
        state[k] = PRESENT;
#endif
        pc = WRITE }
    :: d_step { at(WRITE) -> write(k, FINAL); next_of_piece(RECEIVE, FINISH) }
#endif
    :: d_step { (at(RECEIVE) || at(WRITE)) && !up[me + 1] ->
        k = p; pc = GIVE_BACK }
    :: d_step { at(GIVE_BACK) -> give_up(k); next_of_piece(GIVE_BACK, BROKEN) }
    /* migrate_pages_finish() */
    :: d_step { at(FINISH) ->
        finish(k, got);
        if
        :: got -> pc = SHOW
        :: else -> next_of_piece(FINISH, COUNT)
        fi }
    :: d_step { at(SHOW) -> map(k); got = 0; next_of_piece(FINISH, COUNT) }
    :: d_step { at(COUNT) ->
        count(p, n);
        p = p + n;
        if
        :: is_zero(p - 1) -> n = 0; k = 0; got = 0; seek_zero()
        :: else -> seek_data()
        fi }
    :: d_step { at(BROKEN) ->
        alarm = 1; forget_fill(); fills[me] = 0; pc = IDLE }
#if CRASHES
    :: d_step { DIES -> forget_fill(); pc = GONE; dead++ }
    :: d_step { at(GONE) -> pc = IDLE }
#endif
    od
}

/* migrate-huge.c: collapse_run(). The kernel may refuse. */
active proctype Huge()
{
    byte e, p, pc;
end_run:
    do
    :: d_step { at(IDLE) && complete[e] == 1 ->
        complete[e] = 2;
        for (p : e * EXTENT_PAGES .. e * EXTENT_PAGES + EXTENT_PAGES - 1) {
            assert(is_right(p));
            mapped[p] = 1
        }
        e = 0; p = 0 }
    :: d_step { at(IDLE) && complete[e] == 1 -> complete[e] = 2; e = 0 }
#if EXTENTS > 1
    :: d_step { at(IDLE) && complete[0] != 1 && complete[1] == 1 -> e = 1 }
#endif
#if CRASHES
    :: d_step { DIES -> e = 0; pc = GONE; dead++ }
    :: d_step { at(GONE) -> pc = IDLE }
#endif
    od
}

#if BULKS > 1
#define idle(threads) (!threads[0] && !threads[1])
#define all_up (up[0] && up[1] && up[2])
#else
#define idle(threads) (!threads[0])
#define all_up (up[0] && up[1])
#endif

/* The main thread: migrate_destination_postcopy(), migrate_rejoin(),
 * migrate_settle_destination(). */
active proctype Destination()
{
    byte i, w;
#if CRASHES
again:
    {
#endif
    WAITS(end_destination)
    do
    :: total == PAGES -> break
    :: total < PAGES && (resumed || alarm || !c_up) ->
rejoin:
        atomic { cut_all() } /* migrate_outage_destination() */
        atomic { idle(fills) -> urgent_order = STOP }
        atomic { !urgent_order -> alarm = 0; calling = 1 } /* dial_control() */
        atomic { !calling -> /* tell_present() */
            for (i : 0 .. PAGES - 1) {
                told[i] = (state[i] == PRESENT)
            }
            i = 0
        }
        if
        :: atomic { c_up -> to_source!RECONNECT }
        :: !c_up -> goto rejoin
        fi;
        if
        :: to_destination?ACCEPT
        :: !c_up -> goto rejoin
        fi;
        atomic { /* migrate_intake_dial_pages() */
            for (i : 0 .. CONNECTIONS - 1) {
                up[i] = 1
            }
            i = 0;
            urgent_order = START /* put_to_work() */
        }
        atomic { !urgent_order ->
            for (i : 0 .. BULKS - 1) {
                fills[i] = 1
            }
            i = 0; resumed = 0
        }
    od;
    do /* say_done(), insist_on_done() */
    :: source_gone -> break
    :: atomic { !source_gone && c_up && empty(to_source) -> to_source!DONE }
       if
       :: source_gone
       :: !c_up
       fi
    :: atomic { !source_gone && !c_up && !calling -> calling = 1 }
    od;
    /* UNREGISTER wakes who sleeps; so that it hides nobody who was forgotten,
     * it may also come when nothing else is left to happen. */
    if
    :: true -> timeout;
        for (w : 0 .. VCPUS - 1) {
            assert(!waits[w])
        }
        w = 0
    :: true
    fi;
    atomic { /* migrate_arm_release() */
        cut_all();
        unregistered = 1;
        for (w : 0 .. VCPUS - 1) {
            waits[w] = 0; queued[w] = 0
        }
        w = 0
    }
#if CRASHES
    goto gone
    } unless { crashed };
    atomic { i = 0; w = 0; dead++ }
    !crashed;
    goto again;
gone:
    skip
#endif
}

/* ---- the source ---- */

#define SEND 16
#define LAST 17

/* migrate-serve.c: take_question(). Heating changes the order, nothing else. */
active proctype Serve()
{
    byte p, pc;
end_run:
    do
    :: d_step { pc == IDLE && serves && nempty(questions) ->
        questions?p; pc = ANSWER }
    :: d_step { pc == ANSWER && up[0] && nfull(answers) ->
        answers!p; pc = COUNT }
    :: d_step { pc == COUNT -> sent[p] = 1; p = 0; pc = IDLE }
    :: d_step { pc != COUNT && serves && !up[0] ->
        p = 0; pc = IDLE; serves = 0 }
    od
}

/* migrate-push.c */
active [BULKS] proctype Push()
{
    byte me = _pid - VCPUS - (RECLAIMS > 0) - BULKS - 4;
    byte mask, e, p, pc;
end_run:
    do
    /* migrate_order_next(), then migrate_sent_take_extent(): nobody looks
     * between the two. */
#ifndef SLOW_BULK
    :: d_step { pc == IDLE && pushes[me] && up[me + 1] ->
        pc = LAST;
        for (e : 0 .. EXTENTS - 1) {
            if
            :: offered[e] && pc == LAST ->
                offered[e] = 0;
                pc = SEND;
                for (p : e * EXTENT_PAGES ..
                         e * EXTENT_PAGES + EXTENT_PAGES - 1) {
                    mask = mask | ((!sent[p]) << p);
                    sent[p] = 1
                }
            :: else
            fi
        }
        e = 0; p = 0 }
#endif
    :: d_step { pc == SEND && up[me + 1] && nfull(bulk[me]) ->
        bulk[me]!mask; mask = 0; pc = IDLE }
    :: d_step { pc == LAST && up[me + 1] && nfull(bulk[me]) ->
        bulk[me]!END; pc = IDLE; pushes[me] = 0 }
    :: d_step { pushes[me] && !up[me + 1] ->
        mask = 0; pc = IDLE; pushes[me] = 0 }
    od
}

/* The main thread: migrate_readmit_wait() and talk(). */
active proctype Source()
{
    byte i;
    WAITS(end_source)
    do
#ifdef MUTATE_SOURCE_LEAVES
    :: !offered[0] && idle(pushes) && all_up -> break
#endif
    :: to_source?DONE -> break
    :: calling || (!c_up && (serves || !idle(pushes))) ->
        atomic { cut_all() } /* migrate_outage_source() */
        atomic { !serves && idle(pushes) ->
            for (i : 0 .. PAGES - 1) { /* means nothing from here on */
#ifndef MUTATE_SENT_KEPT
                sent[i] = 0;
#endif
                offered[i / EXTENT_PAGES] = 0
            }
            i = 0
        }
        if
        :: atomic { calling -> c_up = 1; calling = 0 } /* admit */
        :: !calling -> goto next
        fi;
        if
        :: to_source?RECONNECT
        :: to_source?DONE -> break
        :: !c_up || calling -> goto next
        fi;
        atomic { /* migrate_outlet_make_order(), take_present() */
            for (i : 0 .. PAGES - 1) {
#ifndef MUTATE_SENT_KEPT
                sent[i] = told[i];
#endif
                told[i] = 0;
                offered[i / EXTENT_PAGES] = 1
            }
            i = 0
        }
        if
        :: atomic { c_up -> to_destination!ACCEPT }
        :: !c_up || calling -> goto next
        fi;
        if
        :: atomic { all_up -> /* migrate_lobby_wait_others() */
            serves = 1;
            for (i : 0 .. BULKS - 1) {
                pushes[i] = 1
            }
            i = 0
           }
        :: !c_up || calling
        fi;
next:
        skip
    od;
    atomic { /* BYE: from here on the memory is not held any more */
        for (i : 0 .. PAGES - 1) {
            assert(state[i] == PRESENT)
        }
        i = 0;
        source_gone = 1
    }
}

/* ---- what goes wrong ---- */

/* A connection that is not needed any more may break as well: it is as if it
 * had not. That the last words find their way is tried with c_up. */
#define may_break(n) (left_breaks > 0 && up[n] && total < PAGES)

active proctype Network()
{
end_idle:
    do
    :: atomic { may_break(0) -> left_breaks--; cut(0) }
    :: atomic { may_break(1) -> left_breaks--; cut(1) }
#if BULKS > 1
    :: atomic { may_break(2) -> left_breaks--; cut(2) }
#endif
    :: atomic { left_breaks > 0 && c_up -> left_breaks--; cut_control() }
    od
}

#if CRASHES
/* A page that was being filled when its filler died. */
inline recover(p)
{
#ifdef MUTATE_RESUME_KEEPS_FILLING
    skip
#else
    state[p] = ABSENT;
#ifdef SMALL
    /* UFFDIO_COPY shows a page before it is PRESENT: one that is in the file
     * is whole, and the guest may have written it since. */
#ifndef MUTATE_RESUME_COPIES_AGAIN
    if
    :: bytes[p] != NOTHING -> state[p] = PRESENT
    :: else
    fi
#endif
#endif
#endif
}

/* kill -9 of the receiver, and 'postlude receive --resume'. */
active proctype Operator()
{
    byte i;
end_idle:
    do
    :: atomic { left_crashes > 0 && !unregistered ->
        left_crashes--;
        crashed = 1;
        cut_all();
        calling = 0
       }
       atomic { dead == THREADS ->
        total = 0; alarm = 0; orphans = 0; urgent_order = 0;
        for (i : 0 .. EXTENTS - 1) {
            present[i] = 0; complete[i] = 0
        }
        for (i : 0 .. BULKS - 1) {
            fills[i] = 0
        }
        for (i : 0 .. PAGES - 1) {
            asked[i] = 0;
            if
            :: state[i] == FILLING -> recover(i)
#ifdef MUTATE_RESUME_FORGETS
            :: state[i] == PRESENT -> state[i] = ABSENT
#endif
            :: else
            fi;
            if
            :: state[i] == PRESENT -> count(i, 1)
            :: else
            fi
        }
#ifndef MUTATE_RESUME_WAKES_NOBODY
        for (i : 0 .. VCPUS - 1) {
            waits[i] = 0; queued[i] = 0
        }
#endif
        i = 0; dead = 0; resumed = 1; crashed = 0
       }
    od
}
#endif
