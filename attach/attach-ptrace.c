/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One traced thread: see attach-ptrace.h. Kernel side: kernel/ptrace.c and
 * get_signal() in kernel/signal.c; ptrace(2) for the rest.
 */
#include "attach/attach-ptrace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "attach/attach-gadget.h"
#include "base/error.h"
#include "base/fd.h"

/* uapi/linux/ptrace.h; <linux/ptrace.h> clashes with <sys/ptrace.h>. */
#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define LOOKS 30 /* some 10 us: as long as a stop on another CPU takes */
#define NAP_NS 10000
#define RUN_ON_NS 30000

typedef struct {
    uint64_t abi_hva;
    uint32_t abi_bytes;
    uint32_t signature;
    uint32_t flags;
    uint32_t pad;
} RseqConfiguration;

/* uapi/linux/rseq.h: the critical section a thread has announced. */
typedef struct {
    uint32_t version, flags;
    uint64_t start_hva, bytes, abort_hva;
} RseqSection;
#define RSEQ_SECTION_OFFSET 8 /* in struct rseq: its pointer to the section */

AttachStop
attach_ptrace_decode(int status)
{
    int signal = WSTOPSIG(status);
    if (status >> 16 == PTRACE_EVENT_STOP) {
        /* do_jobctl_trap(): SIGTRAP, or the signal that stopped the group. */
        return (AttachStop){signal == SIGTRAP ? ATTACH_STOP_TRAP
                                              : ATTACH_STOP_GROUP,
                            signal};
    }
    if (signal == (SIGTRAP | 0x80)) {
        return (AttachStop){ATTACH_STOP_CALL, 0};
    }
    return (AttachStop){ATTACH_STOP_SIGNAL, signal};
}

static bool
ptrace_fail(const AttachPtrace *trace, int errnum, const char *what,
            GError **error)
{
    if (errnum == ESRCH) {
        /* To a tracer, a thread that was killed while it stood still is one
         * that does not stand still: ESRCH, before it can be waited for. */
        return error_set(error, ERROR_VM_GONE,
                         "process %d ended while its thread %d was borrowed "
                         "(cannot %s it)",
                         (int)trace->pid, (int)trace->tid, what);
    }
    return error_set_errno(error, errnum, "cannot %s thread %d of process %d",
                           what, (int)trace->tid, (int)trace->pid);
}

bool
attach_ptrace_seize(AttachPtrace *trace, GError **error)
{
    if (ptrace(PTRACE_SEIZE, trace->tid, NULL,
               (void *)PTRACE_O_TRACESYSGOOD) < 0) {
        return ptrace_fail(trace, errno, "trace", error);
    }
    trace->seized = true;
    return true;
}

/* waitpid() has no timeout, and the ways to give it one (SIGCHLD, an alarm)
 * belong to the whole process, which is our caller's. So look again, first at
 * once and then after short naps. Spinning, even with sched_yield(), is worse
 * when every CPU is busy: the scheduler then takes the CPU from us for
 * milliseconds, just when the target stands still. */
static bool
wait_stop(AttachPtrace *trace, AttachStop *stop, GError **error)
{
    int status = 0, looks = 0;
    pid_t got;
    while ((got = waitpid(trace->tid, &status, __WALL | WNOHANG)) == 0) {
        if (fd_now_ns() > trace->deadline_ns) {
            return error_set(error, ERROR_RETRY,
                             "thread %d of process %d did not stop in time: it "
                             "sits in a kernel call that cannot be interrupted "
                             "(see /proc/%d/task/%d/stack); it was left alone",
                             (int)trace->tid, (int)trace->pid, (int)trace->pid,
                             (int)trace->tid);
        }
        if (++looks > LOOKS) {
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        }
    }
    if (got != trace->tid || !WIFSTOPPED(status)) {
        trace->seized = false;
        return error_set(error, ERROR_VM_GONE,
                         "process %d ended while its thread %d was borrowed",
                         (int)trace->pid, (int)trace->tid);
    }
    trace->stopped = true;
    *stop = attach_ptrace_decode(status);
    return true;
}

static bool
ptrace_resume(AttachPtrace *trace, int request, int signal, GError **error)
{
    if (ptrace(request, trace->tid, NULL, (void *)(intptr_t)signal) < 0) {
        return ptrace_fail(trace, errno, "resume", error);
    }
    trace->stopped = false;
    return true;
}

/* A signal the kernel raised because of what the thread just did, as opposed
 * to one that somebody sent. */
static bool
is_our_fault(const AttachPtrace *trace, int signal)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL,
                                 SIGFPE,  SIGTRAP, SIGSYS};
    siginfo_t info;
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (signal == faults[i]) {
            return ptrace(PTRACE_GETSIGINFO, trace->tid, NULL, &info) == 0 &&
                   info.si_code > 0;
        }
    }
    return false;
}

bool
attach_ptrace_interrupt(AttachPtrace *trace, AttachStop *stop, GError **error)
{
    if (ptrace(PTRACE_INTERRUPT, trace->tid, NULL, NULL) < 0) {
        return ptrace_fail(trace, errno, "interrupt", error);
    }
    if (!wait_stop(trace, stop, error)) {
        return false;
    }
    /* It was taking a signal when we came. Let it: the trap is still pending
     * and catches it at the handler's first instruction. */
    while (stop->kind == ATTACH_STOP_SIGNAL) {
        if (!ptrace_resume(trace, PTRACE_CONT, stop->signal, error) ||
            !wait_stop(trace, stop, error)) {
            return false;
        }
    }
    return true;
}

bool
attach_ptrace_to_call(AttachPtrace *trace, GError **error)
{
    AttachStop stop = {ATTACH_STOP_TRAP, 0};
    while (stop.kind != ATTACH_STOP_CALL) {
        int pass = 0;
        if (stop.kind == ATTACH_STOP_SIGNAL) {
            /* Signals are blocked; this is SIGSTOP, which must take effect
             * (the group stops, we go on, the thread joins it when we let
             * go), or a fault of our making, which must not. */
            if (is_our_fault(trace, stop.signal)) {
                return error_set(error, ERROR_FAILED,
                                 "the borrowed call raised %s in thread %d of "
                                 "process %d (a seccomp filter stricter than "
                                 "QEMU's own?); its registers are put back",
                                 g_strsignal(stop.signal), (int)trace->tid,
                                 (int)trace->pid);
            }
            pass = stop.signal;
        }
        if (!ptrace_resume(trace, PTRACE_SYSCALL, pass, error) ||
            !wait_stop(trace, &stop, error)) {
            return false;
        }
    }
    return true;
}

bool
attach_ptrace_to_trap(AttachPtrace *trace, GError **error)
{
    /* INTERRUPT first: the thread then traps on its way out of the call,
     * before it executes an instruction. */
    AttachStop stop = {ATTACH_STOP_CALL, 0};
    if (ptrace(PTRACE_INTERRUPT, trace->tid, NULL, NULL) < 0) {
        return ptrace_fail(trace, errno, "interrupt", error);
    }
    while (stop.kind != ATTACH_STOP_TRAP && stop.kind != ATTACH_STOP_GROUP) {
        int pass = 0;
        if (stop.kind == ATTACH_STOP_SIGNAL &&
            !is_our_fault(trace, stop.signal)) {
            pass = stop.signal;
        }
        if (!ptrace_resume(trace, PTRACE_CONT, pass, error) ||
            !wait_stop(trace, &stop, error)) {
            return false;
        }
    }
    return true;
}

bool
attach_ptrace_run_on(AttachPtrace *trace, GError **error)
{
    if (!ptrace_resume(trace, PTRACE_CONT, 0, error)) {
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = RUN_ON_NS}, NULL);
    return true;
}

bool
attach_ptrace_detach(AttachPtrace *trace, GError **error)
{
    if (ptrace(PTRACE_DETACH, trace->tid, NULL, NULL) < 0) {
        return ptrace_fail(trace, errno, "detach from", error);
    }
    trace->seized = trace->stopped = false;
    return true;
}

static bool
get_regset(const AttachPtrace *trace, int type, void *into, size_t *bytes)
{
    struct iovec iov = {into, *bytes};
    if (ptrace(PTRACE_GETREGSET, trace->tid, (void *)(intptr_t)type, &iov) <
        0) {
        return false;
    }
    *bytes = iov.iov_len;
    return true;
}

bool
attach_ptrace_get_regs(const AttachPtrace *trace, AttachRegs *regs,
                       GError **error)
{
    size_t bytes = sizeof *regs;
    if (!get_regset(trace, NT_PRSTATUS, regs, &bytes)) {
        return ptrace_fail(trace, errno, "read the registers of", error);
    }
    if (bytes != sizeof *regs || !attach_arch_is_native(regs)) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "thread %d of process %d is not running 64-bit code",
                         (int)trace->tid, (int)trace->pid);
    }
    return true;
}

bool
attach_ptrace_set_regs(const AttachPtrace *trace, const AttachRegs *regs,
                       GError **error)
{
    struct iovec iov = {(void *)regs, sizeof *regs};
    if (ptrace(PTRACE_SETREGSET, trace->tid, (void *)(intptr_t)NT_PRSTATUS,
               &iov) < 0) {
        return ptrace_fail(trace, errno, "set the registers of", error);
    }
    return true;
}

bool
attach_ptrace_set_mask(const AttachPtrace *trace, uint64_t mask,
                       GError **error)
{
    if (ptrace(PTRACE_SETSIGMASK, trace->tid, (void *)sizeof mask, &mask) <
        0) {
        return ptrace_fail(trace, errno, "set the blocked signals of", error);
    }
    return true;
}

bool
attach_ptrace_save(const AttachPtrace *trace, AttachSaved *saved,
                   GError **error)
{
    if (!attach_ptrace_get_regs(trace, &saved->regs, error)) {
        return false;
    }
    /* Inside ppoll() the kernel answers with the mask to come back to, which
     * is the one we want. */
    if (ptrace(PTRACE_GETSIGMASK, trace->tid, (void *)sizeof saved->mask,
               &saved->mask) < 0) {
        return ptrace_fail(trace, errno, "read the blocked signals of", error);
    }
    saved->xstate_bytes = sizeof saved->xstate;
    if (get_regset(trace, NT_X86_XSTATE, saved->xstate,
                   &saved->xstate_bytes)) {
        return true;
    }
    /* A processor without XSAVE. */
    saved->xstate_bytes = sizeof saved->xstate;
    if (!get_regset(trace, NT_PRFPREG, saved->xstate, &saved->xstate_bytes)) {
        return ptrace_fail(trace, errno, "read the vector registers of", error);
    }
    return true;
}

static bool
call_info(const AttachPtrace *trace, int op,
          struct __ptrace_syscall_info *info, GError **error)
{
    if (ptrace(PTRACE_GET_SYSCALL_INFO, trace->tid, (void *)sizeof *info,
               info) < 0) {
        return ptrace_fail(trace, errno,
                           "ask (Linux 5.3) for the system call of", error);
    }
    if (info->op != op) {
        return error_set(error, ERROR_FAILED,
                         "thread %d of process %d stopped at an unexpected "
                         "place (%d instead of %d)",
                         (int)trace->tid, (int)trace->pid, (int)info->op, op);
    }
    return true;
}

bool
attach_ptrace_at_entry(const AttachPtrace *trace, int64_t number,
                       GError **error)
{
    struct __ptrace_syscall_info info;
    if (!call_info(trace, PTRACE_SYSCALL_INFO_ENTRY, &info, error)) {
        return false;
    }
    if ((int64_t)info.entry.nr != number) {
        return error_set(error, ERROR_FAILED,
                         "thread %d of process %d entered system call %d "
                         "instead of %d",
                         (int)trace->tid, (int)trace->pid, (int)info.entry.nr,
                         (int)number);
    }
    return true;
}

bool
attach_ptrace_at_exit(const AttachPtrace *trace, int64_t *result,
                      GError **error)
{
    struct __ptrace_syscall_info info;
    if (!call_info(trace, PTRACE_SYSCALL_INFO_EXIT, &info, error)) {
        return false;
    }
    *result = info.exit.rval;
    return true;
}

bool
attach_ptrace_in_rseq(const AttachPtrace *trace, const AttachRegs *regs)
{
    RseqConfiguration conf = {0};
    RseqSection section;
    uint64_t section_hva = 0;
    if (attach_arch_in_call(regs) || /* none may be made inside a section */
        ptrace((int)PTRACE_GET_RSEQ_CONFIGURATION, trace->tid,
               (void *)sizeof conf, &conf) < 0 ||
        !conf.abi_hva ||
        !attach_gadget_peek(trace->pid, conf.abi_hva + RSEQ_SECTION_OFFSET,
                            &section_hva, sizeof section_hva) ||
        !section_hva ||
        !attach_gadget_peek(trace->pid, section_hva, &section,
                            sizeof section)) {
        return false;
    }
    return regs->rip - section.start_hva < section.bytes;
}
