/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A computation that lives in registers only: see victim-spin.h. In assembly,
 * because a compiler would keep the values in memory.
 */
#include "tests/support/victim-spin.h"

#include <stddef.h>
#include <string.h>

#define MULTIPLIER UINT64_C(6364136223846793005)
#define INCREMENT UINT64_C(1442695040888963407)
#define RED_WORD UINT64_C(0x5eed0fa11600d000)
#define MXCSR_ROUND_UP 0x5f80u

_Static_assert(offsetof(Spin, lanes) == 64, "victim_spin_run");
_Static_assert(offsetof(Spin, wide) == 576, "victim_spin_run");

/* Each round: rax = rax * r8 + r9, and the same in ten other registers; some
 * vector registers are multiplied by ymm15, which is all ones, so that they
 * pass through the arithmetic unit and stay what they are. */
__asm__(
    ".text\n"
    ".globl victim_spin_run\n"
    ".type victim_spin_run, @function\n"
    "victim_spin_run:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  ldmxcsr 32(%rdi)\n"
    "  fldl 40(%rdi)\n"
    "  vmovupd 64(%rdi), %ymm0;   vmovupd 96(%rdi), %ymm1\n"
    "  vmovupd 128(%rdi), %ymm2;  vmovupd 160(%rdi), %ymm3\n"
    "  vmovupd 192(%rdi), %ymm4;  vmovupd 224(%rdi), %ymm5\n"
    "  vmovupd 256(%rdi), %ymm6;  vmovupd 288(%rdi), %ymm7\n"
    "  vmovupd 320(%rdi), %ymm8;  vmovupd 352(%rdi), %ymm9\n"
    "  vmovupd 384(%rdi), %ymm10; vmovupd 416(%rdi), %ymm11\n"
    "  vmovupd 448(%rdi), %ymm12; vmovupd 480(%rdi), %ymm13\n"
    "  vmovupd 512(%rdi), %ymm14; vmovupd 544(%rdi), %ymm15\n"
    "  cmpq $0, 8(%rdi)\n"
    "  je 1f\n"
    "  vmovupd 576(%rdi), %zmm16; vmovupd 640(%rdi), %zmm17\n"
    "  vmovupd 704(%rdi), %zmm18; vmovupd 768(%rdi), %zmm19\n"
    "  kmovw 48(%rdi), %k1\n"
    "1:\n"
    /* The red zone: 16 words that differ. */
    "  movabs $0x5eed0fa11600d000, %rax\n"
    "  mov $-128, %rcx\n"
    "2: mov %rax, (%rsp,%rcx)\n"
    "  inc %rax\n"
    "  add $8, %rcx\n"
    "  jnz 2b\n"
    "  movabs $6364136223846793005, %r8\n"
    "  movabs $1442695040888963407, %r9\n"
    "  mov (%rdi), %rcx\n"
    "  mov $1, %eax\n"
    "  mov %rax, %rdx; mov %rax, %rbx; mov %rax, %rbp; mov %rax, %rsi\n"
    "  mov %rax, %r10; mov %rax, %r11; mov %rax, %r12; mov %rax, %r13\n"
    "  mov %rax, %r14; mov %rax, %r15\n"
    "3: imul %r8, %rax;  add %r9, %rax\n"
    "  imul %r8, %rdx;  add %r9, %rdx\n"
    "  imul %r8, %rbx;  add %r9, %rbx\n"
    "  imul %r8, %rbp;  add %r9, %rbp\n"
    "  imul %r8, %rsi;  add %r9, %rsi\n"
    "  imul %r8, %r10;  add %r9, %r10\n"
    "  imul %r8, %r11;  add %r9, %r11\n"
    "  imul %r8, %r12;  add %r9, %r12\n"
    "  imul %r8, %r13;  add %r9, %r13\n"
    "  imul %r8, %r14;  add %r9, %r14\n"
    "  imul %r8, %r15;  add %r9, %r15\n"
    "  vmulpd %ymm15, %ymm0, %ymm0;   vmulpd %ymm15, %ymm7, %ymm7\n"
    "  vmulpd %ymm15, %ymm8, %ymm8;   vmulpd %ymm15, %ymm14, %ymm14\n"
    "  dec %rcx\n"
    "  jnz 3b\n"
    /* All eleven must agree: subtracting them in turn leaves the first. */
    "  sub %rax, %rdx; sub %rax, %rbx; sub %rax, %rbp; sub %rax, %rsi\n"
    "  sub %rax, %r10; sub %rax, %r11; sub %rax, %r12; sub %rax, %r13\n"
    "  sub %rax, %r14; sub %rax, %r15\n"
    "  or %rdx, %rbx; or %rbx, %rbp; or %rbp, %rsi; or %rsi, %r10\n"
    "  or %r10, %r11; or %r11, %r12; or %r12, %r13; or %r13, %r14\n"
    "  or %r14, %r15\n"
    "  add %r15, %rax\n"
    "  mov %rax, 16(%rdi)\n"
    "  xor %eax, %eax\n"
    "  mov $-128, %rcx\n"
    "4: rol $5, %rax\n"
    "  xor (%rsp,%rcx), %rax\n"
    "  add $8, %rcx\n"
    "  jnz 4b\n"
    "  mov %rax, 24(%rdi)\n"
    "  cmpq $0, 8(%rdi)\n"
    "  je 5f\n"
    "  vmovupd %zmm16, 576(%rdi); vmovupd %zmm17, 640(%rdi)\n"
    "  vmovupd %zmm18, 704(%rdi); vmovupd %zmm19, 768(%rdi)\n"
    "  kmovw %k1, 48(%rdi)\n"
    "5:\n"
    "  vmovupd %ymm0, 64(%rdi);   vmovupd %ymm1, 96(%rdi)\n"
    "  vmovupd %ymm2, 128(%rdi);  vmovupd %ymm3, 160(%rdi)\n"
    "  vmovupd %ymm4, 192(%rdi);  vmovupd %ymm5, 224(%rdi)\n"
    "  vmovupd %ymm6, 256(%rdi);  vmovupd %ymm7, 288(%rdi)\n"
    "  vmovupd %ymm8, 320(%rdi);  vmovupd %ymm9, 352(%rdi)\n"
    "  vmovupd %ymm10, 384(%rdi); vmovupd %ymm11, 416(%rdi)\n"
    "  vmovupd %ymm12, 448(%rdi); vmovupd %ymm13, 480(%rdi)\n"
    "  vmovupd %ymm14, 512(%rdi); vmovupd %ymm15, 544(%rdi)\n"
    "  vzeroupper\n"
    "  fstpl 40(%rdi)\n"
    "  stmxcsr 32(%rdi)\n"
    "  movl $0x1f80, -8(%rsp)\n"
    "  ldmxcsr -8(%rsp)\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n"
    ".size victim_spin_run, .-victim_spin_run\n");

static double
lane(unsigned reg, unsigned i)
{
    return 1.0 + reg * 16 + i;
}

void
victim_spin_init(Spin *spin, uint64_t rounds, bool avx512)
{
    memset(spin, 0, sizeof *spin);
    spin->rounds = rounds;
    spin->avx512 = avx512;
    spin->mxcsr = MXCSR_ROUND_UP;
    spin->x87 = 2.718281828;
    spin->mask = 0xa5c3;
    for (unsigned reg = 0; reg < 16; reg++) {
        for (unsigned i = 0; i < 4; i++) {
            spin->lanes[reg][i] = reg == 15 ? 1.0 : lane(reg, i);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        spin->wide[i / 8][i % 8] = 1000.0 + i;
    }
}

static uint64_t
expected_sum(uint64_t rounds)
{
    uint64_t sum = 1;
    while (rounds--) {
        sum = sum * MULTIPLIER + INCREMENT;
    }
    return sum;
}

static uint64_t
expected_red(void)
{
    uint64_t red = 0;
    for (unsigned i = 0; i < 16; i++) {
        red = (red << 5 | red >> 59) ^ (RED_WORD + i);
    }
    return red;
}

const char *
victim_spin_verdict(const Spin *spin)
{
    Spin want;
    victim_spin_init(&want, spin->rounds, spin->avx512);
    if (spin->sum != expected_sum(spin->rounds)) {
        return "a general register or the flags were disturbed";
    }
    if (spin->red != expected_red()) {
        return "the red zone was disturbed";
    }
    /* Its lowest six bits only tell which exceptions there were. */
    if ((spin->mxcsr ^ want.mxcsr) & ~UINT32_C(0x3f)) {
        return "MXCSR was disturbed";
    }
    if (memcmp(&spin->x87, &want.x87, sizeof want.x87) != 0) {
        return "the x87 registers were disturbed";
    }
    if (memcmp(spin->lanes, want.lanes, sizeof want.lanes) != 0) {
        return "a vector register was disturbed";
    }
    if (spin->avx512 && (spin->mask & 0xffff) != want.mask) {
        return "an AVX-512 mask register was disturbed";
    }
    if (memcmp(spin->wide, want.wide, sizeof want.wide) != 0) {
        return "a wide vector register was disturbed";
    }
    return NULL;
}
