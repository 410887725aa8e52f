/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers of the kernel's ABI that a C library may be too old to name.
 */
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MADV_COLLAPSE /* Linux 6.1; glibc 2.37 */
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_pidfd_open /* Linux 5.3, the same on every architecture */
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise /* Linux 5.10, the same on every architecture */
#define SYS_process_madvise 440
#endif
