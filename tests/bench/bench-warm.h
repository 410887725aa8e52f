/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that is ready to be used. On a virtual machine whose host takes free
 * memory back, the first touch of memory that was free for some seconds is a
 * hundred times slower; whoever runs first after a pause would pay for it.
 */
#pragma once

#include <stdint.h>

/* Touches and frees, so that the kernel has both at hand for a second or two:
 * bytes in small pages, and bytes in huge ones, which is what laying takes.
 * They are not the same: the kernel gives away its smallest free blocks first,
 * and after huge pages were freed those are still the ones that have been free
 * for long (seen: QEMU's postcopy into a file took three times as long).
 * Returns how long it took in ms. */
double bench_warm(uint64_t small_bytes, uint64_t huge_bytes);
