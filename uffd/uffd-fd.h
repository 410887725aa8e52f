/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One function per userfaultfd ioctl, on a descriptor that may belong to
 * another process's address space: all HVAs are addresses in that process.
 * Any thread may call them at any time. Source of every fact:
 * Documentation/admin-guide/mm/userfaultfd.rst and mm/userfaultfd.c.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What became of a request to map, in the words of the one who asked. */
typedef enum {
    UFFD_DONE,    /* mapped; waiters were woken by the kernel */
    UFFD_EXISTS,  /* EEXIST: someone mapped it already; waiters NOT woken */
    UFFD_NO_PAGE, /* EFAULT from CONTINUE: nothing in the page cache there */
    UFFD_AGAIN,   /* EAGAIN: the mappings are changing, ask again */
    UFFD_NO_ROOM, /* ENOMEM, ENOSPC from COPY: no memory for it now */
    UFFD_GONE,    /* ESRCH: the process is gone */
    UFFD_NO_RANGE,/* ENOENT, EINVAL: not (any more) registered there */
    UFFD_BROKEN,  /* anything else, e.g. EIO: a poisoned page */
} UffdOutcome;

/* The outcome's name for logs. */
const char *uffd_outcome_name(UffdOutcome outcome);

/* Opens a userfaultfd of our own address space (tests, probing); at worst one
 * for user-mode faults only. -1: error. */
int uffd_fd_open(GError **error);

/* UFFDIO_API with the features we live on: MISSING_SHMEM (4.11), MINOR_SHMEM
 * (5.14), THREAD_ID (4.14), EXACT_ADDRESS (5.18). Once per descriptor, which
 * becomes O_NONBLOCK. UNSUPPORTED names the feature that the kernel lacks;
 * STATE: the handshake was made before. */
bool uffd_fd_handshake(int uffd, GError **error);

/* Registers [HVA, HVA + BYTES) MISSING|MINOR, both at once: see rule 2 of
 * docs/architecture.md. Page-aligned. VM_GONE: the target has exited; RETRY:
 * another userfaultfd holds the range. */
bool uffd_fd_register(int uffd, uint64_t hva, uint64_t bytes, GError **error);
bool uffd_fd_unregister(int uffd, uint64_t hva, uint64_t bytes,
                        GError **error);

/* UFFDIO_CONTINUE: map what the page cache holds for [HVA, HVA + BYTES) and
 * wake. For more than one page the outcome is that of the first page that
 * could not be mapped, and *DONE_BYTES (may be NULL) says how far it came. */
UffdOutcome uffd_fd_continue(int uffd, uint64_t hva, uint64_t bytes,
                             uint64_t *done_bytes);

/* UFFDIO_ZEROPAGE: put zero pages where the page cache has none, and wake. */
UffdOutcome uffd_fd_zero(int uffd, uint64_t hva, uint64_t bytes);

/* UFFDIO_COPY: allocate pages charged to the target, fill them from SOURCE
 * (our memory), map, wake: atomic. EXISTS if the page cache has one. */
UffdOutcome uffd_fd_copy(int uffd, uint64_t hva, const void *source,
                         uint64_t bytes);

/* UFFDIO_WAKE: wake who waits in the range without mapping anything. Only
 * for ranges that are mapped already. */
UffdOutcome uffd_fd_wake(int uffd, uint64_t hva, uint64_t bytes);

/* Tries, on scratch memory of our own, that this kernel has MINOR faults and
 * CONTINUE on shmem. UNSUPPORTED with the remedy if not. */
bool uffd_fd_probe(GError **error);
