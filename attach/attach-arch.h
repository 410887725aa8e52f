/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seam between the story (attach-remote.c) and one processor: how its
 * registers name a system call, and how a thread restores itself with no help
 * from us. All of it is pure: bytes and structs in, bytes and structs out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#if !defined(__x86_64__)
#error "attach/ knows x86-64 only. Another processor needs its own " \
       "attach-arch-<cpu>.c: the restart arithmetic, a signal frame that its " \
       "rt_sigreturn accepts (with the whole vector state), two gadgets."
#endif

typedef struct user_regs_struct AttachRegs;

/* One system call with up to three arguments: none we allow has more. */
typedef struct {
    int64_t number;
    uint64_t args[3];
} AttachCall;

/* Two places in the target's own code, as HVAs; 0 is "not found". */
typedef struct {
    uint64_t call;      /* "system call; return" */
    uint64_t sigreturn; /* "number of rt_sigreturn; system call" */
} AttachGadgets;

/* AMX needs 11 KiB, APX 128 bytes more. */
#define ATTACH_XSTATE_MAX ((size_t)16384)
#define ATTACH_FRAME_MAX (ATTACH_XSTATE_MAX + 2048)

/* Everything of a stopped thread that a system call or a signal return could
 * change. */
typedef struct {
    AttachRegs regs;
    uint64_t mask; /* blocked signals, as PTRACE_GETSIGMASK tells them */
    size_t xstate_bytes;
    uint8_t xstate[ATTACH_XSTATE_MAX]; /* NT_X86_XSTATE, or FXSAVE's 512 */
} AttachSaved;

/* The bytes to be written below the thread's stack. */
typedef struct {
    uint64_t hva; /* where they belong: the stack pointer of the call */
    size_t bytes;
    uint8_t data[ATTACH_FRAME_MAX];
} AttachFrame;

/* True if these are registers of a 64-bit thread of this processor. */
bool attach_arch_is_native(const AttachRegs *regs);

/* True if the thread was stopped inside a system call (so that the instruction
 * before its program counter is one). */
bool attach_arch_in_call(const AttachRegs *regs);

/* Does by hand what the kernel does on the way out of an interrupted system
 * call that has to be made again (arch/x86/kernel/signal.c,
 * arch_do_signal_or_restart); leaves all other registers alone. */
void attach_arch_redo(AttachRegs *regs);

/* Looks for the gadgets that *FOUND still lacks in BYTES of code at HVA. */
void attach_arch_search(const uint8_t *code, size_t bytes, uint64_t hva,
                        AttachGadgets *found);

/* Builds the frame that restores SAVED (made ready to run: redone if it has
 * to be) when the call at GADGETS->call returns. False if the state is of a
 * shape we do not know: then nothing heals itself. */
bool attach_arch_frame_build(const AttachSaved *saved,
                             const AttachGadgets *gadgets, AttachFrame *frame);

/* The registers that make CALL with the instruction at CALL_HVA. STACK_HVA is
 * the frame's, or 0 to leave the stack pointer where it is. */
AttachRegs attach_arch_aim(const AttachRegs *from, uint64_t call_hva,
                           uint64_t stack_hva, const AttachCall *call);

/* True if REGS stand right behind the instruction AIMED was to execute. */
bool attach_arch_has_made(const AttachRegs *regs, const AttachRegs *aimed);

/* The instruction of the system call the thread is in (attach_arch_in_call):
 * its address, and whether BYTES (two, read from there) are one. */
uint64_t attach_arch_own_call(const AttachRegs *regs);
bool attach_arch_is_call(const uint8_t bytes[2]);
