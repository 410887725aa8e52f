/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first instructions of the witness. QEMU's -kernel finds the multiboot
 * (version 1) header, loads the ELF at 1 MiB and enters here in 32-bit
 * protected mode, flat segments, no paging, interrupts off: exactly what the
 * witness wants, so nothing is set up but a stack.
 */
    .set MAGIC, 0x1badb002
    .set FLAGS, 0x2                 /* bit 1: tell us how much memory there is */

    .section .multiboot, "a"
    .balign 4
    .long MAGIC
    .long FLAGS
    .long -(MAGIC + FLAGS)

    .section .text
    .globl witness_entry
witness_entry:
    cli
    cld
    movl $witness_stack_top, %esp
    xorl %ebp, %ebp
    pushl %ebx                      /* multiboot information */
    pushl %eax                      /* 0x2badb002 if a loader was here */
    call witness_main
1:  hlt
    jmp 1b

    .section .bss
    .balign 16
    .skip 16384
witness_stack_top:

    .section .note.GNU-stack, "", @progbits
