/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process that stands for QEMU: it does what it is told, one thing at a
 * time, and can hang in a fault while the test looks at it. It dies with the
 * test, however that ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    KERNEL_GUEST_READ,        /* a0: hva; answers the byte there */
    KERNEL_GUEST_WRITE,       /* a0: hva, a1: the byte */
    KERNEL_GUEST_SYSCALL,     /* nr(a0..a5); answers its result or -errno */
    KERNEL_GUEST_THREAD_READ, /* as READ in a new thread; answers byte and,
                                 shifted left by 8, the thread's TID */
} KernelGuestVerb;

typedef struct {
    KernelGuestVerb verb;
    long nr;
    uint64_t a[6];
} KernelGuestOrder;

typedef struct {
    pid_t pid;
    int pidfd;
    int channel;
} KernelGuest;

/* Forks. The guest inherits all mappings and descriptors but those that are
 * close-on-exec have no meaning: it never executes anything. */
void kernel_guest_start(KernelGuest *guest);

/* Kills and reaps it; may be called twice. */
void kernel_guest_stop(KernelGuest *guest);

/* Gives an order without waiting; then exactly one answer is due. */
void kernel_guest_order(KernelGuest *guest, KernelGuestOrder order);

/* True if the guest did not answer within MS: it hangs in the order. */
bool kernel_guest_hangs(KernelGuest *guest, int ms);

/* The answer that is due. Fails the test if it takes more than 10 s. */
int64_t kernel_guest_answer(KernelGuest *guest);

/* Order and answer. */
int64_t kernel_guest_ask(KernelGuest *guest, KernelGuestOrder order);
int64_t kernel_guest_read(KernelGuest *guest, uint64_t hva);
int64_t kernel_guest_madvise(KernelGuest *guest, uint64_t hva, uint64_t bytes,
                             int advice);
