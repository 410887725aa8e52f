/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that is ready to be used. On a virtual machine whose host takes free
 * memory back, the first touch of memory that was free for some seconds is a
 * hundred times slower; whoever runs first after a pause would pay for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Touches and frees BYTES, so that the kernel has them at hand for a second or
 * two. Returns how long it took in ms. */
double bench_warm(uint64_t bytes);
