/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kernel messages from a userfaultfd into plain structs, in batches. One
 * reader per descriptor; no allocation.
 *
 * A target that dies says nothing here: its descriptor just stays silent, and
 * poll() has nothing to report (Linux 6.18, tests/kernel). Whoever waits for
 * events watches the target's pidfd beside it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define UFFD_READER_BATCH 64

typedef enum {
    UFFD_EVENT_IS_FAULT,  /* hva: the page that is wanted */
    UFFD_EVENT_IS_REMOVE, /* [hva, hva + bytes) was discarded by the guest */
    UFFD_EVENT_IS_OTHER,  /* none that uffd_fd_handshake() has asked for */
} UffdEventKind;

typedef struct {
    UffdEventKind kind;
    bool minor;       /* fault: the page cache had a page */
    bool write;       /* fault: it was a write */
    uint32_t thread;  /* fault: TID in the target's PID namespace, 0: unknown */
    uint64_t hva;     /* page-aligned for faults */
    uint64_t bytes;
} UffdEvent;

/* Reads what is there, at most UFFD_READER_BATCH events, without waiting: the
 * descriptor is O_NONBLOCK, as uffd_fd_handshake() leaves it. Returns the
 * number (0: nothing there), or -1 with errno set when the descriptor cannot
 * be read at all (EINVAL: no handshake; EBADF; EIO: no userfaultfd). */
int uffd_reader_read(int uffd, UffdEvent events[UFFD_READER_BATCH]);
