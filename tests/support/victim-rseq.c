/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A long restartable sequence: see victim-rseq.h. Before it ends it looks
 * whether the kernel still knows of it: the kernel clears rseq_cs when it
 * finds the program counter outside, and then aborts nothing.
 */
#include "tests/support/victim-rseq.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>

#define SPINS 5000 /* some us */

_Static_assert(offsetof(struct rseq, rseq_cs) == 8, "victim_rseq_run");
_Static_assert(RSEQ_SIG == 0x53053053, "victim_rseq_run");

int victim_rseq_run(struct rseq *area, const struct rseq_cs *section,
                    uint64_t spins);
extern const char victim_rseq_start[], victim_rseq_end[], victim_rseq_abort[];

__asm__(".text\n"
        ".globl victim_rseq_run, victim_rseq_start, victim_rseq_end\n"
        ".globl victim_rseq_abort\n"
        "victim_rseq_run:\n"
        "  mov %rsi, 8(%rdi)\n"
        "victim_rseq_start:\n"
        "1: dec %rdx\n"
        "  jnz 1b\n"
        "  cmpq $0, 8(%rdi)\n"
        "victim_rseq_end:\n"
        "  je 2f\n"
        "  movq $0, 8(%rdi)\n"
        "  xor %eax, %eax\n"
        "  ret\n"
        "2: mov $2, %eax\n"
        "  ret\n"
        /* The kernel jumps only to where the signature precedes. */
        "  .byte 0x0f, 0xb9, 0x3d\n"
        "  .long 0x53053053\n"
        "victim_rseq_abort:\n"
        "  mov $1, %eax\n"
        "  ret\n");

VictimRseq
victim_rseq_once(void)
{
    if (__rseq_size == 0) {
        return VICTIM_RSEQ_NONE;
    }
    struct rseq *area =
        (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    const struct rseq_cs section = {
        .start_ip = (uintptr_t)victim_rseq_start,
        .post_commit_offset =
            (uint64_t)(victim_rseq_end - victim_rseq_start),
        .abort_ip = (uintptr_t)victim_rseq_abort,
    };
    return (VictimRseq)victim_rseq_run(area, &section, SPINS);
}
