/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One system call in a borrowed thread: see attach-remote.h.
 *
 * When a tracer dies, the kernel lets its tracee run on with whatever
 * registers it then has. So every register state we ever give the thread is
 * one from which it finds home by itself. Below its stack (and below the red
 * zone, so nothing of its own is overwritten) we leave what a signal handler
 * would find there:
 *
 *      old rsp - 128 ->  vector state
 *                        saved registers, blocked signals    (ucontext)
 *      rsp ----------->  address of "mov $15,%eax; syscall"  (rt_sigreturn)
 *      rip ----------->  "syscall; ret", in the target's C library
 *
 * Alone, the thread makes the call, returns into rt_sigreturn, and the kernel
 * restores all of it. With us it stops right behind the call, and we put the
 * registers back ourselves: that is more exact (the kernel then resumes an
 * interrupted call as if nothing had been: see attach_arch_redo for what the
 * frame cannot do).
 *
 * The order of the writes is the invariant:
 *  1. the frame, while nothing points to it;
 *  2. all registers, in one PTRACE_SETREGSET: from here it heals itself;
 *  3. only now all signals are blocked: the frame knows the old mask;
 *  4. behind the call, the old mask first, and then the registers: the other
 *     way round a death in between would leave the signals blocked for good.
 *
 * All this is done by a thread of its own. To the kernel that thread is the
 * tracer; so if something does not come back before the deadline while the
 * target is running (and PTRACE_DETACH needs a stopped one), ending the thread
 * gives the target back all the same.
 */
#include "attach/attach-remote.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "attach/attach-gadget.h"
#include "attach/attach-ptrace.h"
#include "attach/attach-target.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/thread.h"

#define STOP_MS 1000   /* normally 0.1 ms; then another thread is tried */
#define LAST_STOP_MS 5000 /* of the last thread there is to try: a busy machine
                           * may not have run it for a second */
#define CALL_MS 5000   /* normally 0.1 ms; then nothing else can be tried */
#define RETURN_MS 5000 /* the way back gets time of its own */
#define LEAVE_MS 1000  /* for the kernel to take note of a tracer's end */
#define TRY_THREADS 8u /* the main one and some others */
#define TRY_RSEQ 100   /* sections are some ten instructions long */

AttachSeam attach_remote_seam;

static const char *const step_names[] = {
    [ATTACH_STEP_SEIZED] = "seized",     [ATTACH_STEP_STOPPED] = "stopped",
    [ATTACH_STEP_SAVED] = "saved",       [ATTACH_STEP_FRAMED] = "framed",
    [ATTACH_STEP_AIMED] = "aimed",       [ATTACH_STEP_MASKED] = "masked",
    [ATTACH_STEP_ENTERED] = "entered",   [ATTACH_STEP_MADE] = "made",
    [ATTACH_STEP_TRAPPED] = "trapped",   [ATTACH_STEP_UNMASKED] = "unmasked",
    [ATTACH_STEP_RESTORED] = "restored", [ATTACH_STEP_DETACHED] = "detached",
};
G_STATIC_ASSERT(G_N_ELEMENTS(step_names) == ATTACH_STEPS);

typedef struct {
    AttachPtrace trace;
    const AttachCall *call;
    AttachGadgets gadgets;
    AttachSaved saved;
    AttachFrame frame;
    bool last; /* no other thread will be tried */
    AttachRegs aimed;
    bool framed; /* the frame is in place */
    bool lent;   /* the thread has registers of ours */
    int64_t result;
    bool made;
    GError *error;
} AttachBorrow;

const char *
attach_step_name(AttachStep step)
{
    return step < ATTACH_STEPS ? step_names[step] : "unknown";
}

static void
remote_note(AttachStep step)
{
    if (attach_remote_seam.step) {
        attach_remote_seam.step(step, attach_remote_seam.data);
    }
}

bool
attach_remote_is_allowed(const AttachCall *call)
{
    switch (call->number) {
    case SYS_userfaultfd:
        return call->args[0] == (O_CLOEXEC | O_NONBLOCK);
    case SYS_ioctl:
        return call->args[1] == (uint64_t)USERFAULTFD_IOC_NEW &&
               call->args[2] == (O_CLOEXEC | O_NONBLOCK);
    case SYS_close:
        return true;
    default:
        return false;
    }
}

/* Stops the thread at a place from which it can be borrowed. */
static bool
remote_stop(AttachBorrow *b, GError **error)
{
    AttachRegs regs;
    for (int i = 0; i < TRY_RSEQ; i++) {
        AttachStop why;
        if (!attach_ptrace_interrupt(&b->trace, &why, error)) {
            return false;
        }
        if (why.kind == ATTACH_STOP_GROUP) {
            return error_set(error, ERROR_STATE,
                             "cannot borrow a thread of process %d: it is "
                             "stopped by a signal; let it run first "
                             "(kill -CONT %d)",
                             (int)b->trace.pid, (int)b->trace.pid);
        }
        if (!attach_ptrace_get_regs(&b->trace, &regs, error)) {
            return false;
        }
        if (!attach_ptrace_in_rseq(&b->trace, &regs)) {
            return true;
        }
        /* On its way to the next instruction the kernel aborts the sequence;
         * with our registers in place it would not see that there was one. */
        if (!attach_ptrace_run_on(&b->trace, error)) {
            return false;
        }
    }
    return error_set(error, ERROR_RETRY,
                     "thread %d of process %d never leaves its restartable "
                     "sequence",
                     (int)b->trace.tid, (int)b->trace.pid);
}

static bool
write_frame(AttachBorrow *b)
{
    if (attach_remote_seam.plain ||
        !attach_arch_frame_build(&b->saved, &b->gadgets, &b->frame)) {
        return false;
    }
    struct iovec local = {b->frame.data, b->frame.bytes};
    struct iovec remote = {(void *)(uintptr_t)b->frame.hva, b->frame.bytes};
    return process_vm_writev(b->trace.pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)b->frame.bytes;
}

/* Without gadgets, or without room on the stack, there is one instruction left
 * that we know: the system call the thread is in. Then a death of this process
 * before the registers are back leaves the thread with our call's result in
 * place of its own, and all signals blocked (docs/attach.md). */
static bool
aim_plain(AttachBorrow *b, GError **error)
{
    uint8_t code[2] = {0};
    uint64_t own = attach_arch_own_call(&b->saved.regs);
    if (!attach_arch_in_call(&b->saved.regs) ||
        !attach_gadget_peek(b->trace.pid, own, code, sizeof code) ||
        !attach_arch_is_call(code)) {
        return error_set(error, ERROR_RETRY,
                         "thread %d of process %d is not in a system call, "
                         "and can be borrowed only there",
                         (int)b->trace.tid, (int)b->trace.pid);
    }
    b->aimed = attach_arch_aim(&b->saved.regs, own, 0, b->call);
    return true;
}

static bool
remote_aim(AttachBorrow *b, GError **error)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (!attach_ptrace_save(&b->trace, &b->saved, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_SAVED);
    b->framed = write_frame(b);
    if (b->framed) {
        b->aimed = attach_arch_aim(&b->saved.regs, b->gadgets.call,
                                   b->frame.hva, b->call);
    } else if (!aim_plain(b, error)) {
        return false;
    } else if (!atomic_flag_test_and_set(&told)) {
        g_info("process %d cannot heal itself while its thread %d is borrowed "
               "(a shadow stack, an unusual C library or a full stack)",
               (int)b->trace.pid, (int)b->trace.tid);
    }
    remote_note(ATTACH_STEP_FRAMED);
    return true;
}

static bool
make_call(AttachBorrow *b, GError **error)
{
    b->trace.deadline_ns = fd_deadline_ns(CALL_MS);
    /* Even if it fails: the kernel may have taken some of them. */
    b->lent = true;
    if (!attach_ptrace_set_regs(&b->trace, &b->aimed, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_AIMED);
    if (!attach_ptrace_set_mask(&b->trace, UINT64_MAX, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_MASKED);
    if (!attach_ptrace_to_call(&b->trace, error) ||
        !attach_ptrace_at_entry(&b->trace, b->call->number, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_ENTERED);
    if (!attach_ptrace_to_call(&b->trace, error) ||
        !attach_ptrace_at_exit(&b->trace, &b->result, error)) {
        return false;
    }
    b->made = true;
    remote_note(ATTACH_STEP_MADE);
    return true;
}

/* Puts mask and registers back, in this order. */
static bool
remote_restore(AttachBorrow *b, GError **error)
{
    AttachRegs now;
    if (!attach_ptrace_to_trap(&b->trace, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_TRAPPED);
    if (!attach_ptrace_get_regs(&b->trace, &now, error)) {
        return false;
    }
    /* Somewhere else than we left it, it is in a handler of its own: it comes
     * back to the frame, and heals itself. */
    if (b->made && b->framed && !attach_arch_has_made(&now, &b->aimed)) {
        return true;
    }
    if (!attach_ptrace_set_mask(&b->trace, b->saved.mask, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_UNMASKED);
    if (!attach_ptrace_set_regs(&b->trace, &b->saved.regs, error)) {
        return false;
    }
    remote_note(ATTACH_STEP_RESTORED);
    return true;
}

/* Every exit comes here. What cannot be done here is done by the end of this
 * thread, which detaches, and by the frame. */
static void
give_back(AttachBorrow *b)
{
    GError **error = b->error ? NULL : &b->error;
    b->trace.deadline_ns = fd_deadline_ns(RETURN_MS);
    if (b->trace.stopped && b->lent && !remote_restore(b, error)) {
        return;
    }
    if (b->trace.stopped && attach_ptrace_detach(&b->trace, error)) {
        remote_note(ATTACH_STEP_DETACHED);
    }
}

/* While we wait for a CPU, the target stands still. */
static void
remote_hurry(void)
{
    const struct sched_param lowest = {.sched_priority = 1};
    prctl(PR_SET_TIMERSLACK, 1UL);
    (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest);
}

static void *
remote_borrow(void *data)
{
    AttachBorrow *b = data;
    /* Our process's signals are for its other threads. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    remote_hurry();

    b->trace.deadline_ns = fd_deadline_ns(b->last ? LAST_STOP_MS : STOP_MS);
    if (attach_ptrace_seize(&b->trace, &b->error)) {
        remote_note(ATTACH_STEP_SEIZED);
        if (remote_stop(b, &b->error)) {
            remote_note(ATTACH_STEP_STOPPED);
            (void)(remote_aim(b, &b->error) && make_call(b, &b->error));
        }
    }
    give_back(b);
    return NULL;
}

/* A joined thread may not yet have ended for the kernel (pthread_join() is
 * woken before the tracees are let go), and to be tried once more, here or by
 * our caller, the process must be without a tracer. */
static void
await_departure(const AttachPtrace *trace)
{
    AttachStatus status;
    uint64_t deadline_ns = fd_deadline_ns(LEAVE_MS);
    while (attach_target_status(trace->pid, trace->tid, &status) &&
           status.tracer && fd_now_ns() < deadline_ns) {
        g_usleep(100);
    }
}

/* One attempt with the thread that B names. */
static bool
borrow_thread(AttachBorrow *b, const AttachGadgets *gadgets, GError **error)
{
    AttachStatus status;
    /* With a shadow stack, "ret" to where no call came from is a crash. */
    if (attach_target_status(b->trace.pid, b->trace.tid, &status) &&
        !status.shadow_stack) {
        b->gadgets = *gadgets;
    }
    GThread *thread = thread_start("attach", remote_borrow, b, error);
    if (!thread) {
        g_prefix_error(error, "cannot start the tracing thread: ");
        return false;
    }
    g_thread_join(thread);
    if (b->trace.seized) {
        await_departure(&b->trace);
    }
    if (b->error) {
        g_propagate_error(error, b->error);
        return false;
    }
    return true;
}

/* Whether another thread may do better than thread number I, which was
 * not touched: it would not stop, or is gone while the process is not. */
static bool
may_try_next(const AttachBorrow *b, guint i, const GError *why)
{
    return !b->lent && !b->last &&
           (error_is(why, ERROR_RETRY) ||
            (i > 0 && error_is(why, ERROR_VM_GONE)));
}

bool
attach_remote_call(pid_t pid, const AttachCall *call, int64_t *result,
                   GError **error)
{
    AttachGadgets gadgets;
    if (!attach_remote_is_allowed(call)) {
        return error_set(error, ERROR_USAGE,
                         "system call %d is not one that may be made in "
                         "another process",
                         (int)call->number);
    }
    g_autoptr(GArray) threads = attach_target_threads(pid, error);
    if (!threads || !attach_gadget_find(pid, &gadgets, error)) {
        return false;
    }
    for (guint i = 0;; i++) {
        g_autoptr(GError) why = NULL;
        g_autofree AttachBorrow *b = g_new0(AttachBorrow, 1);
        b->trace.pid = pid;
        b->trace.tid = g_array_index(threads, pid_t, i);
        b->call = call;
        b->last = i + 1 == MIN(threads->len, TRY_THREADS);
        if (borrow_thread(b, &gadgets, &why)) {
            *result = b->result;
            return true;
        }
        if (!may_try_next(b, i, why)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        g_debug("%s; trying another thread", why->message);
    }
}
