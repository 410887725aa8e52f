/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One traced thread: seize, wait, read and write its registers, let go. All
 * calls for one AttachPtrace must come from the same thread of ours: to the
 * kernel that thread is the tracer, and when it ends the target is let go.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "attach/attach-arch.h"

typedef struct {
    pid_t pid, tid;
    uint64_t deadline_ns; /* of every wait, on the clock of fd_now_ns() */
    bool seized;
    bool stopped;
} AttachPtrace;

typedef enum {
    ATTACH_STOP_TRAP,   /* we asked for it: not about a signal */
    ATTACH_STOP_GROUP,  /* the whole process is stopped by a signal */
    ATTACH_STOP_CALL,   /* at the entry or the exit of a system call */
    ATTACH_STOP_SIGNAL, /* SIGNAL is about to be delivered, if we pass it on */
} AttachStopKind;

typedef struct {
    AttachStopKind kind;
    int signal;
} AttachStop;

/* What a wait status means; STATUS must be of a stop. Pure. */
AttachStop attach_ptrace_decode(int status);

/* Becomes the tracer of TID; it goes on running. Never kills the target: no
 * PTRACE_O_EXITKILL. */
bool attach_ptrace_seize(AttachPtrace *trace, GError **error);

/* Stops the thread and waits until it stands where nothing is being delivered
 * (TRAP or GROUP); signals on their way are let through. RETRY at the
 * deadline (the thread runs on), VM_GONE if it is gone. */
bool attach_ptrace_interrupt(AttachPtrace *trace, AttachStop *stop,
                             GError **error);

/* Lets it run to the next system call's entry or exit, then waits. */
bool attach_ptrace_to_call(AttachPtrace *trace, GError **error);

/* From inside a system call's exit stop to a TRAP stop: the only place where
 * registers put back are treated as those of an interrupted call. */
bool attach_ptrace_to_trap(AttachPtrace *trace, GError **error);

/* Lets it run freely, still traced, and long enough that it really does: an
 * interrupt that comes at once stops it before it has left the kernel. */
bool attach_ptrace_run_on(AttachPtrace *trace, GError **error);

/* Lets go of a stopped thread. */
bool attach_ptrace_detach(AttachPtrace *trace, GError **error);

/* Registers, blocked signals and vector state of the stopped thread. */
bool attach_ptrace_save(const AttachPtrace *trace, AttachSaved *saved,
                        GError **error);
bool attach_ptrace_get_regs(const AttachPtrace *trace, AttachRegs *regs,
                            GError **error);
bool attach_ptrace_set_regs(const AttachPtrace *trace, const AttachRegs *regs,
                            GError **error);
bool attach_ptrace_set_mask(const AttachPtrace *trace, uint64_t mask,
                            GError **error);

/* At an entry stop: is it of system call NUMBER? At an exit stop: *RESULT is
 * what it returned (negative errno). FAILED if it is the other one. */
bool attach_ptrace_at_entry(const AttachPtrace *trace, int64_t number,
                            GError **error);
bool attach_ptrace_at_exit(const AttachPtrace *trace, int64_t *result,
                           GError **error);

/* True if the thread stands inside a restartable sequence (rseq(2)): the
 * kernel has not yet decided to abort it, and would forget to if it found the
 * program counter elsewhere. */
bool attach_ptrace_in_rseq(const AttachPtrace *trace, const AttachRegs *regs);
