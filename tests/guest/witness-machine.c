/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the witness sees of time. All it has is the TSC.
 *
 *  - TCG: the TSC is the host's, minus an offset that stands still while the
 *    VM is stopped and travels in the migration stream. So the guest sees no
 *    time between "stopped on the source" and "runs on the destination".
 *  - KVM: the TSC runs on while the VM is stopped. QEMU reads it when it saves
 *    the vCPU and writes it when it loads it: the transfer is hidden, while the
 *    waits before the save (pre-switchover) and after the load are not; they
 *    show up as one slow access. Linux before 6.6 may take the write for an
 *    attempt to synchronise vCPUs and be up to a second off.
 *  - Both: a vCPU thread that waits for a page fault does not stop the VM, so
 *    the TSC runs on, and the wait is measured as what it is.
 *
 * The switchover is therefore not measured here (the host sees it better), and
 * every line of the report carries the two longest accesses since the line
 * before, so that one which holds a switchover can be told from the rest.
 */
#include "witness-machine.h"

#define COM1 0x3f8
#define PIT_HZ 1193182
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define SPEAKER 0x61 /* bit 0: gate of channel 2; bit 5: its output */
#define CALIBRATION_US 40000
#define KEYBOARD_DATA 0x60
#define KEYBOARD_STATUS 0x64

static uint32_t ticks_per_us;

uint64_t
machine_divide(uint64_t dividend, uint32_t divisor)
{
    uint32_t high = (uint32_t)(dividend >> 32);
    uint32_t low = (uint32_t)dividend;
    uint32_t high_quotient = high / divisor;
    uint32_t rest = high % divisor;

    /* rest < divisor, so the quotient fits and divl cannot trap. */
    __asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(divisor) : "cc");
    return (uint64_t)high_quotient << 32 | low;
}

/* Ticks that pass while PIT channel 2 counts down CALIBRATION_US. */
static uint64_t
calibrate_once(void)
{
    uint16_t count = (uint64_t)PIT_HZ * CALIBRATION_US / 1000000;
    machine_out(SPEAKER, machine_in(SPEAKER) & ~3);
    machine_out(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0 */
    machine_out(PIT_CHANNEL2, count & 0xff);
    machine_out(PIT_CHANNEL2, count >> 8);
    machine_out(SPEAKER, (machine_in(SPEAKER) & ~2) | 1);
    uint64_t start = machine_ticks();
    while (!(machine_in(SPEAKER) & 0x20)) {
    }
    return machine_ticks() - start;
}

void
machine_init(void)
{
    machine_out(COM1 + 1, 0x00); /* no interrupts */
    machine_out(COM1 + 3, 0x80);
    machine_out(COM1 + 0, 1); /* 115200 */
    machine_out(COM1 + 1, 0);
    machine_out(COM1 + 3, 0x03); /* 8n1 */
    machine_out(COM1 + 2, 0xc7); /* FIFO on and empty */

    /* A preempted vCPU only ever makes the measurement longer. */
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t ticks = calibrate_once();
        best = ticks < best ? ticks : best;
    }
    ticks_per_us = (uint32_t)machine_divide(best, CALIBRATION_US);
    if (ticks_per_us == 0) {
        machine_die("the time-stamp counter does not run");
    }
}

uint32_t
machine_ticks_per_us(void)
{
    return ticks_per_us;
}

uint64_t
machine_us(uint64_t ticks)
{
    return machine_divide(ticks, ticks_per_us);
}

static void
print_char(char c)
{
    while (!(machine_in(COM1 + 5) & 0x20)) {
    }
    machine_out(COM1, (uint8_t)c);
}

void
machine_print(const char *text)
{
    for (; *text; text++) {
        print_char(*text);
    }
}

void
machine_print_decimal(uint64_t value)
{
    char digits[21];
    char *p = digits + sizeof(digits) - 1;
    *p = 0;
    do {
        uint64_t rest = machine_divide(value, 10);
        *--p = '0' + (char)(value - rest * 10);
        value = rest;
    } while (value);
    machine_print(p);
}

void
machine_print_hex(uint32_t value)
{
    machine_print("0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        print_char("0123456789abcdef"[value >> shift & 15]);
    }
}

void
machine_print_field(const char *name, uint64_t value)
{
    machine_print(" ");
    machine_print(name);
    machine_print("=");
    machine_print_decimal(value);
}

uint8_t
machine_key(void)
{
    uint8_t status = machine_in(KEYBOARD_STATUS);
    /* 0xff: no controller. Bit 5: the byte is the mouse's. */
    if (status == 0xff || !(status & 1)) {
        return 0;
    }
    uint8_t data = machine_in(KEYBOARD_DATA);
    return status & 0x20 ? 0 : data;
}

/* PM1a_CNT of the PIIX4 at 0x600: SLP_EN with SLP_TYP 0, which is S5 there. */
void
machine_power_off(void)
{
    __asm__ volatile("outw %0, %1"
                     :
                     : "a"((uint16_t)0x2000), "Nd"((uint16_t)0x604));
}

/* The PIIX3's reset control register. */
void
machine_reset(void)
{
    machine_out(0xcf9, 0x06);
}

void
machine_die(const char *why)
{
    machine_print("FATAL ");
    machine_print(why);
    machine_print("\n");
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
