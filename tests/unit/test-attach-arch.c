/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Restart arithmetic, gadget search, and the frame by which a thread restores
 * itself. That the kernel accepts the frame is shown by the host tests.
 */
#include "attach/attach-arch.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <glib.h>

#define PPOLL 271
#define RIP UINT64_C(0x7f0000001002)

static AttachRegs
redone(int64_t rax, int64_t orig_rax)
{
    AttachRegs regs = {.rip = RIP,
                       .rax = (uint64_t)rax,
                       .orig_rax = (uint64_t)orig_rax,
                       .rcx = 5};
    attach_arch_redo(&regs);
    g_assert_cmpuint(regs.rcx, ==, 5);
    return regs;
}

static void
test_redo(void)
{
    static const int64_t restarts[] = {-512, -513, -514, -516};
    for (gsize i = 0; i < G_N_ELEMENTS(restarts); i++) {
        AttachRegs regs = redone(restarts[i], PPOLL);
        g_assert_cmpuint(regs.rip, ==, RIP - 2);
        g_assert_cmpuint(regs.rax, ==, PPOLL);
        g_assert_cmpint((int64_t)regs.orig_rax, ==, -1);
    }
}

/* Stopped for the second time in one wait: nobody can tell which it was. */
static void
test_redo_twice(void)
{
    AttachRegs regs = redone(-516, SYS_restart_syscall);
    g_assert_cmpuint(regs.rip, ==, RIP);
    g_assert_cmpint((int64_t)regs.rax, ==, -EINTR);
    g_assert_cmpint((int64_t)regs.orig_rax, ==, -1);
    /* ppoll never becomes one. */
    regs = redone(-514, SYS_restart_syscall);
    g_assert_cmpuint(regs.rip, ==, RIP - 2);
}

static void
test_redo_leaves_alone(void)
{
    static const struct {
        int64_t rax, orig_rax;
    } cases[] = {
        {-EINTR, PPOLL}, {0, PPOLL}, {3, PPOLL}, {-515, PPOLL},
        {-514, -1}, /* not in a system call: any number may be in rax */
        {-512, -1}, {PPOLL, -1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        AttachRegs regs = redone(cases[i].rax, cases[i].orig_rax);
        g_assert_cmpuint(regs.rip, ==, RIP);
        g_assert_cmpint((int64_t)regs.rax, ==, cases[i].rax);
        g_assert_cmpint((int64_t)regs.orig_rax, ==, cases[i].orig_rax);
    }
}

static void
test_search(void)
{
    uint8_t code[64];
    AttachGadgets found = {0};
    memset(code, 0x90, sizeof code);
    attach_arch_search(code, sizeof code, 0x1000, &found);
    g_assert_cmpuint(found.call, ==, 0);
    g_assert_cmpuint(found.sigreturn, ==, 0);

    memcpy(code + 3, "\x0f\x05\x90\x0f\x05", 5); /* calls that do not return */
    memcpy(code + 20, "\xb8\x0f\x00\x00\x00\x0f\x05", 7);
    memcpy(code + 61, "\x0f\x05\xc3", 3); /* at the very end */
    attach_arch_search(code, sizeof code, 0x1000, &found);
    g_assert_cmpuint(found.call, ==, 0x1000 + 61);
    g_assert_cmpuint(found.sigreturn, ==, 0x1000 + 20);

    /* The first find stays. */
    attach_arch_search(code, sizeof code, 0x9000, &found);
    g_assert_cmpuint(found.call, ==, 0x1000 + 61);

    /* glibc's own form. */
    memcpy(code + 40, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9);
    found = (AttachGadgets){0};
    attach_arch_search(code, sizeof code, 0x1000, &found);
    g_assert_cmpuint(found.sigreturn, ==, 0x1000 + 40);

    /* Cut short. */
    found = (AttachGadgets){0};
    attach_arch_search(code + 61, 2, 0x1000, &found);
    g_assert_cmpuint(found.call, ==, 0);
}

static void
fill_legacy(AttachSaved *saved)
{
    memset(saved, 0, sizeof *saved);
    saved->regs = (AttachRegs){
        .r8 = 8,  .r9 = 9,   .r10 = 10, .r11 = 11,    .r12 = 12,
        .r13 = 13, .r14 = 14, .r15 = 15, .rdi = 16,   .rsi = 17,
        .rbp = 18, .rbx = 19, .rdx = 20, .rcx = 21,   .rsp = 0x7ffe00001238,
        .rip = RIP, .rax = (uint64_t)-514, .orig_rax = PPOLL,
        .eflags = 0x246, .cs = 0x33, .ss = 0x2b};
    saved->mask = 0x123456789abc;
    saved->xstate_bytes = 832; /* x87, SSE, AVX */
    saved->xstate[512] = 7;
    saved->xstate[576] = 0xaa; /* the first byte of AVX state */
    saved->xstate[831] = 0xbb;
}

static const AttachGadgets gadgets = {.call = 0x1111, .sigreturn = 0x2222};

static void
test_frame(void)
{
    g_autofree AttachSaved *saved = g_new(AttachSaved, 1);
    g_autofree AttachFrame *frame = g_new0(AttachFrame, 1);
    fill_legacy(saved);
    g_assert_true(attach_arch_frame_build(saved, &gadgets, frame));
    /* Below the red zone, and nothing above it. */
    g_assert_cmpuint(frame->hva + frame->bytes, <=, saved->regs.rsp - 128);
    g_assert_cmpuint(frame->hva % 16, ==, 0);

    uint64_t ret;
    ucontext_t uc;
    memcpy(&ret, frame->data, sizeof ret);
    memcpy(&uc, frame->data + 8, sizeof uc);
    g_assert_cmphex(ret, ==, gadgets.sigreturn);
    g_assert_cmphex(uc.uc_mcontext.gregs[REG_RIP], ==, RIP - 2);
    g_assert_cmpint(uc.uc_mcontext.gregs[REG_RAX], ==, PPOLL);
    g_assert_cmphex(uc.uc_mcontext.gregs[REG_RSP], ==, 0x7ffe00001238);
    g_assert_cmpint(uc.uc_mcontext.gregs[REG_R15], ==, 15);
    g_assert_cmpint(uc.uc_mcontext.gregs[REG_RCX], ==, 21);
    g_assert_cmphex(uc.uc_mcontext.gregs[REG_CSGSFS], ==, 0x002b000000000033);
    g_assert_cmpint(memcmp(&uc.uc_sigmask, &saved->mask, 8), ==, 0);

    uint64_t fp = (uintptr_t)uc.uc_mcontext.fpregs;
    const uint8_t *area = frame->data + (fp - frame->hva);
    uint32_t magic1, size, magic2;
    memcpy(&magic1, area + 464, 4);
    memcpy(&size, area + 480, 4);
    memcpy(&magic2, area + size, 4);
    g_assert_cmpuint(fp % 64, ==, 0);
    g_assert_cmphex(magic1, ==, 0x46505853);
    g_assert_cmphex(magic2, ==, 0x46505845);
    g_assert_cmpuint(size, ==, 832);
    g_assert_cmphex(area[576], ==, 0xaa);
    g_assert_cmphex(area[831], ==, 0xbb);
}

static void
test_frame_refuses(void)
{
    g_autofree AttachSaved *saved = g_new(AttachSaved, 1);
    g_autofree AttachFrame *frame = g_new0(AttachFrame, 1);
    const AttachGadgets no_call = {.sigreturn = 1}, no_return = {.call = 1};
    fill_legacy(saved);
    g_assert_false(attach_arch_frame_build(saved, &no_call, frame));
    g_assert_false(attach_arch_frame_build(saved, &no_return, frame));
    saved->xstate_bytes = 700; /* AVX says it is there, and is cut off */
    g_assert_false(attach_arch_frame_build(saved, &gadgets, frame));
    saved->xstate_bytes = 100;
    g_assert_false(attach_arch_frame_build(saved, &gadgets, frame));
    fill_legacy(saved);
    saved->regs.rsp = 4096; /* no room below */
    g_assert_false(attach_arch_frame_build(saved, &gadgets, frame));
}

/* A feature nobody uses now takes no room, although ptrace offers it: the
 * kernel takes a larger frame than the thread's own for a legacy one. */
static void
test_frame_is_no_larger_than_its_features(void)
{
    g_autofree AttachSaved *saved = g_new(AttachSaved, 1);
    g_autofree AttachFrame *frame = g_new0(AttachFrame, 1);
    fill_legacy(saved);
    saved->xstate_bytes = 11008;
    g_assert_true(attach_arch_frame_build(saved, &gadgets, frame));
    g_assert_cmpuint(frame->bytes, <, 832 + sizeof(ucontext_t) + 128);
    saved->xstate[512] = 3; /* no AVX state either */
    g_assert_true(attach_arch_frame_build(saved, &gadgets, frame));
    g_assert_cmpuint(frame->bytes, <, 576 + sizeof(ucontext_t) + 128);
}

static void
test_aim(void)
{
    const AttachCall call = {SYS_close, {17, 18, 19}};
    AttachRegs from = {.rsp = 0x5000, .rip = RIP, .orig_rax = PPOLL,
                       .rax = (uint64_t)-514, .rbx = 77};
    AttachRegs regs = attach_arch_aim(&from, 0x1111, 0x4000, &call);
    g_assert_cmpuint(regs.rip, ==, 0x1111);
    g_assert_cmpuint(regs.rsp, ==, 0x4000);
    g_assert_cmpuint(regs.rax, ==, SYS_close);
    g_assert_cmpint((int64_t)regs.orig_rax, ==, -1);
    g_assert_cmpuint(regs.rdi, ==, 17);
    g_assert_cmpuint(regs.rsi, ==, 18);
    g_assert_cmpuint(regs.rdx, ==, 19);
    g_assert_cmpuint(regs.rbx, ==, 77);
    AttachRegs after = regs;
    g_assert_false(attach_arch_has_made(&after, &regs));
    after.rip += 2;
    g_assert_true(attach_arch_has_made(&after, &regs));
    after.rsp -= 8;
    g_assert_false(attach_arch_has_made(&after, &regs));
    regs = attach_arch_aim(&from, 0x1111, 0, &call);
    g_assert_cmpuint(regs.rsp, ==, 0x5000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/arch/redo", test_redo);
    g_test_add_func("/attach/arch/redo-twice", test_redo_twice);
    g_test_add_func("/attach/arch/redo-leaves-alone", test_redo_leaves_alone);
    g_test_add_func("/attach/arch/search", test_search);
    g_test_add_func("/attach/arch/frame", test_frame);
    g_test_add_func("/attach/arch/frame-refuses", test_frame_refuses);
    g_test_add_func("/attach/arch/frame-size",
                    test_frame_is_no_larger_than_its_features);
    g_test_add_func("/attach/arch/aim", test_aim);
    return g_test_run();
}
