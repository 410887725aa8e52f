/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bare PC under the witness: ports, the serial line, the keyboard, the
 * time. Nothing here touches the memory under test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline void
machine_out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t
machine_in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t
machine_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtsc" : "=A"(ticks) : : "memory");
    return ticks;
}

/* DIVIDEND / DIVISOR; libgcc's __udivdi3 is not linked. */
uint64_t machine_divide(uint64_t dividend, uint32_t divisor);

/* Sets the serial line up and measures the ticks of one microsecond. */
void machine_init(void);

uint32_t machine_ticks_per_us(void);

/* The time a number of ticks takes. */
uint64_t machine_us(uint64_t ticks);

/* Text on COM1; blocks until it is out. */
void machine_print(const char *text);
void machine_print_decimal(uint64_t value);
void machine_print_hex(uint32_t value);

/* " NAME=VALUE" */
void machine_print_field(const char *name, uint64_t value);

/* The scan code of the next key event, or 0. */
uint8_t machine_key(void);

/* By ACPI, with the registers where QEMU's "pc" has them. */
void machine_power_off(void);
void machine_reset(void);

/* Says why and stops for good. */
void machine_die(const char *why) __attribute__((noreturn));
