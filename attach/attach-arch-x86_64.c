/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * x86-64: register layout, restart arithmetic and the signal frame. The
 * frame's shape is the kernel's signal ABI: arch/x86/include/asm/sigframe.h
 * and uapi/asm/sigcontext.h; what it accepts: arch/x86/kernel/fpu/signal.c.
 */
#include "attach/attach-arch.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <glib.h>

#define USER64_CS 0x33
#define RED_ZONE_BYTES 128
#define SYSCALL_BYTES 2

/* include/linux/errno.h: never seen by programs, only by tracers. */
enum {
    RESTART_SYS = 512,
    RESTART_NOINTR = 513,
    RESTART_NOHAND = 514,
    RESTART_BLOCK = 516,
};

/* uapi/asm/ucontext.h */
enum {
    UC_HAS_XSTATE = 1,
    UC_HAS_SS = 2,
    UC_STRICT_SS = 4,
};

/* uapi/asm/sigcontext.h: struct _fpx_sw_bytes, in the last 48 of FXSAVE's 512
 * bytes. glibc's own copy of that header clashes with <ucontext.h>. */
#define FXSAVE_BYTES ((size_t)512)
#define XSAVE_HEADER_BYTES ((size_t)64)
#define SW_OFFSET ((size_t)464)
#define SW_MAGIC1 UINT32_C(0x46505853)
#define SW_MAGIC2 UINT32_C(0x46505845)
#define FEATURES_LEGACY UINT64_C(3) /* x87 and SSE: always there */

typedef struct {
    uint32_t magic1;
    uint32_t extended_bytes; /* with magic2 */
    uint64_t features;
    uint32_t xstate_bytes; /* magic2 comes right after them */
    uint32_t padding[7];
} SwBytes;
G_STATIC_ASSERT(sizeof(SwBytes) == 48);

/* What rt_sigreturn expects at its stack pointer - 8. The siginfo that a real
 * delivery puts behind it is never read back. */
typedef struct {
    uint64_t return_hva;
    ucontext_t uc;
} Sigframe;
/* glibc's ucontext_t begins as the kernel's does; its mask is longer. */
G_STATIC_ASSERT(offsetof(Sigframe, uc) == 8);
G_STATIC_ASSERT(offsetof(ucontext_t, uc_mcontext) == 40);
G_STATIC_ASSERT(offsetof(ucontext_t, uc_sigmask) == 296);

static const uint8_t code_call[] = {0x0f, 0x05, 0xc3};
/* glibc and musl write mov $15,%rax; others the shorter mov $15,%eax. */
static const uint8_t code_sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00,
                                         0x00, 0x00, 0x0f, 0x05};
static const uint8_t code_sigreturn_short[] = {0xb8, 0x0f, 0x00, 0x00,
                                               0x00, 0x0f, 0x05};

bool
attach_arch_is_native(const AttachRegs *regs)
{
    return regs->cs == USER64_CS;
}

bool
attach_arch_in_call(const AttachRegs *regs)
{
    return (int64_t)regs->orig_rax >= 0;
}

void
attach_arch_redo(AttachRegs *regs)
{
    if (!attach_arch_in_call(regs)) {
        return;
    }
    switch (-(int64_t)regs->rax) {
    case RESTART_BLOCK:
        /* The kernel would make restart_syscall here. But this result is for
         * a frame, and rt_sigreturn forgets what there was to resume ("make
         * any pending restarted system calls return -EINTR"). The original
         * call is exact for absolute timeouts (all of glibc's futex waits)
         * and begins a relative one anew: better than an EINTR no handler
         * accounts for. Which is all that is left if the call was stopped
         * before: then it already is a restart_syscall, and which call it
         * was at first, only the kernel knows. */
        if (regs->orig_rax == SYS_restart_syscall) {
            regs->rax = (uint64_t)-EINTR;
            regs->orig_rax = (uint64_t)-1;
            break;
        }
        /* fall through */
    case RESTART_SYS:
    case RESTART_NOINTR:
    case RESTART_NOHAND:
        regs->rax = regs->orig_rax;
        regs->rip -= SYSCALL_BYTES;
        regs->orig_rax = (uint64_t)-1;
        break;
    default:
        break;
    }
}

static uint64_t
arch_x86_64_search(const uint8_t *code, size_t bytes, uint64_t hva,
                   const uint8_t *pattern, size_t pattern_bytes)
{
    const uint8_t *at = memmem(code, bytes, pattern, pattern_bytes);
    return at ? hva + (uint64_t)(at - code) : 0;
}

void
attach_arch_search(const uint8_t *code, size_t bytes, uint64_t hva,
                   AttachGadgets *found)
{
    if (!found->call) {
        found->call =
            arch_x86_64_search(code, bytes, hva, code_call, sizeof code_call);
    }
    if (!found->sigreturn) {
        found->sigreturn = arch_x86_64_search(code, bytes, hva, code_sigreturn,
                                              sizeof code_sigreturn);
    }
    if (!found->sigreturn) {
        found->sigreturn =
            arch_x86_64_search(code, bytes, hva, code_sigreturn_short,
                               sizeof code_sigreturn_short);
    }
}

/* The bytes of an uncompacted XSAVE area that holds FEATURES: the processor
 * tells offset and size of each (CPUID leaf 0xD). The size PTRACE_GETREGSET
 * returns is no use: it has room for AMX although the thread may not use it,
 * and rt_sigreturn takes a frame larger than the thread's own for one without
 * vector state, silently. */
static size_t
xstate_span(uint64_t features)
{
    size_t span = FXSAVE_BYTES + XSAVE_HEADER_BYTES;
    for (unsigned i = 2; i < 63; i++) {
        unsigned size = 0, offset = 0, c = 0, d = 0;
        if ((features & (UINT64_C(1) << i)) &&
            __get_cpuid_count(0xd, i, &size, &offset, &c, &d)) {
            span = MAX(span, (size_t)offset + size);
        }
    }
    return span;
}

/* Copies the vector state to AREA, marked so that the kernel believes it.
 * Returns how many bytes it takes there, 0 if it makes no sense. */
static size_t
fill_xstate(const AttachSaved *saved, uint8_t *area, size_t area_bytes)
{
    SwBytes sw = {0};
    size_t bytes = FXSAVE_BYTES;
    if (saved->xstate_bytes >= FXSAVE_BYTES + XSAVE_HEADER_BYTES) {
        uint64_t features;
        memcpy(&features, saved->xstate + FXSAVE_BYTES, sizeof features);
        sw.features = features | FEATURES_LEGACY;
        bytes = xstate_span(features);
        sw.magic1 = SW_MAGIC1;
        sw.xstate_bytes = (uint32_t)bytes;
        sw.extended_bytes = (uint32_t)(bytes + sizeof SW_MAGIC2);
    }
    if (bytes > saved->xstate_bytes || bytes + sizeof SW_MAGIC2 > area_bytes) {
        return 0;
    }
    memcpy(area, saved->xstate, bytes);
    memcpy(area + SW_OFFSET, &sw, sizeof sw);
    if (sw.magic1) {
        const uint32_t magic2 = SW_MAGIC2;
        memcpy(area + bytes, &magic2, sizeof magic2);
        bytes += sizeof magic2;
    }
    return bytes;
}

static void
fill_registers(ucontext_t *uc, const AttachRegs *r)
{
    greg_t *g = uc->uc_mcontext.gregs;
    const struct {
        int index;
        uint64_t value;
    } all[] = {
        {REG_R8, r->r8},   {REG_R9, r->r9},   {REG_R10, r->r10},
        {REG_R11, r->r11}, {REG_R12, r->r12}, {REG_R13, r->r13},
        {REG_R14, r->r14}, {REG_R15, r->r15}, {REG_RDI, r->rdi},
        {REG_RSI, r->rsi}, {REG_RBP, r->rbp}, {REG_RBX, r->rbx},
        {REG_RDX, r->rdx}, {REG_RAX, r->rax}, {REG_RCX, r->rcx},
        {REG_RSP, r->rsp}, {REG_RIP, r->rip}, {REG_EFL, r->eflags},
        {REG_CSGSFS, (r->cs & 0xffff) | (r->ss & 0xffff) << 48},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        g[all[i].index] = (greg_t)all[i].value;
    }
}

bool
attach_arch_frame_build(const AttachSaved *saved, const AttachGadgets *gadgets,
                        AttachFrame *frame)
{
    uint8_t area[ATTACH_XSTATE_MAX + 64];
    size_t xstate_bytes = fill_xstate(saved, area, sizeof area);
    if (!gadgets->call || !gadgets->sigreturn || !xstate_bytes ||
        saved->regs.rsp < ATTACH_FRAME_MAX + RED_ZONE_BYTES) {
        return false;
    }
    AttachRegs ready = saved->regs;
    attach_arch_redo(&ready);

    /* XRSTOR wants 64 bytes of alignment. */
    uint64_t xstate_hva =
        (ready.rsp - RED_ZONE_BYTES - xstate_bytes) & ~UINT64_C(63);
    frame->hva = (xstate_hva - sizeof(Sigframe)) & ~UINT64_C(15);
    frame->bytes = (size_t)(xstate_hva - frame->hva) + xstate_bytes;
    if (frame->bytes > sizeof frame->data) {
        return false;
    }

    Sigframe head = {.return_hva = gadgets->sigreturn};
    fill_registers(&head.uc, &ready);
    head.uc.uc_flags = UC_HAS_XSTATE | UC_HAS_SS | UC_STRICT_SS;
    head.uc.uc_mcontext.fpregs = (void *)(uintptr_t)xstate_hva;
    memcpy(&head.uc.uc_sigmask, &saved->mask, sizeof saved->mask);
    /* A tracer cannot learn the thread's alternate stack, and rt_sigreturn
     * sets it from the frame. A mode that does not exist makes that part fail,
     * and the kernel ignores the failure (restore_altstack). */
    head.uc.uc_stack.ss_flags = SS_ONSTACK | SS_DISABLE;

    memset(frame->data, 0, frame->bytes);
    memcpy(frame->data, &head, sizeof head);
    memcpy(frame->data + (xstate_hva - frame->hva), area, xstate_bytes);
    return true;
}

AttachRegs
attach_arch_aim(const AttachRegs *from, uint64_t call_hva, uint64_t stack_hva,
                const AttachCall *call)
{
    AttachRegs regs = *from;
    regs.rip = call_hva;
    regs.rsp = stack_hva ? stack_hva : from->rsp;
    regs.rax = (uint64_t)call->number;
    /* Not in a system call any more: else the kernel might restart the old
     * one on top of ours. */
    regs.orig_rax = (uint64_t)-1;
    regs.rdi = call->args[0];
    regs.rsi = call->args[1];
    regs.rdx = call->args[2];
    return regs;
}

bool
attach_arch_has_made(const AttachRegs *regs, const AttachRegs *aimed)
{
    return regs->rip == aimed->rip + SYSCALL_BYTES && regs->rsp == aimed->rsp;
}

uint64_t
attach_arch_own_call(const AttachRegs *regs)
{
    return regs->rip - SYSCALL_BYTES;
}

bool
attach_arch_is_call(const uint8_t bytes[2])
{
    return bytes[0] == code_call[0] && bytes[1] == code_call[1];
}
