/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The process that stands for QEMU: see kernel-guest.h.
 */
#include "tests/kernel/support/kernel-guest.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define ANSWER_MS 10000

static void *
thread_read(void *hva)
{
    uint64_t byte = *(volatile uint8_t *)hva;
    return (void *)(uintptr_t)((uint64_t)syscall(SYS_gettid) << 8 | byte);
}

static int64_t
obey(const KernelGuestOrder *order)
{
    volatile uint8_t *at = (uint8_t *)(uintptr_t)order->a[0];
    pthread_t thread;
    void *seen;
    long result;
    switch (order->verb) {
    case KERNEL_GUEST_READ:
        return *at;
    case KERNEL_GUEST_WRITE:
        *at = (uint8_t)order->a[1];
        return 0;
    case KERNEL_GUEST_SYSCALL:
        result = syscall(order->nr, order->a[0], order->a[1], order->a[2],
                         order->a[3], order->a[4], order->a[5]);
        return result < 0 ? -errno : result;
    case KERNEL_GUEST_THREAD_READ:
        if (pthread_create(&thread, NULL, thread_read, (void *)at) != 0 ||
            pthread_join(thread, &seen) != 0) {
            return -1;
        }
        return (int64_t)(uintptr_t)seen;
    }
    return -1;
}

/* Only read(2) and write(2) between orders, so that the guest can go on even
 * under strict seccomp. */
static G_GNUC_NORETURN void
live(int channel)
{
    KernelGuestOrder order;
    while (read(channel, &order, sizeof order) == (ssize_t)sizeof order) {
        int64_t answer = obey(&order);
        if (write(channel, &answer, sizeof answer) != sizeof answer) {
            break;
        }
    }
    _exit(0);
}

void
kernel_guest_start(KernelGuest *guest)
{
    int ends[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    pid_t parent = getpid();
    guest->pid = fork();
    g_assert_no_errno(guest->pid);
    if (guest->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        if (getppid() == parent) {
            live(ends[1]);
        }
        _exit(1);
    }
    close(ends[1]);
    guest->channel = ends[0];
    guest->pidfd = (int)syscall(SYS_pidfd_open, guest->pid, 0);
    g_assert_no_errno(guest->pidfd);
}

void
kernel_guest_stop(KernelGuest *guest)
{
    if (guest->pid > 0) {
        kill(guest->pid, SIGKILL);
        waitpid(guest->pid, NULL, 0);
        fd_clear(&guest->channel);
        fd_clear(&guest->pidfd);
        guest->pid = 0;
    }
}

void
kernel_guest_order(KernelGuest *guest, KernelGuestOrder order)
{
    g_assert_cmpint(write(guest->channel, &order, sizeof order), ==,
                    sizeof order);
}

bool
kernel_guest_hangs(KernelGuest *guest, int ms)
{
    struct pollfd p = {.fd = guest->channel, .events = POLLIN};
    int n = poll(&p, 1, ms);
    g_assert_no_errno(n);
    return n == 0;
}

int64_t
kernel_guest_answer(KernelGuest *guest)
{
    int64_t answer = 0;
    if (kernel_guest_hangs(guest, ANSWER_MS)) {
        g_error("the guest hangs for %d ms where it must not", ANSWER_MS);
    }
    g_assert_cmpint(read(guest->channel, &answer, sizeof answer), ==,
                    sizeof answer);
    return answer;
}

int64_t
kernel_guest_ask(KernelGuest *guest, KernelGuestOrder order)
{
    kernel_guest_order(guest, order);
    return kernel_guest_answer(guest);
}

int64_t
kernel_guest_read(KernelGuest *guest, uint64_t hva)
{
    return kernel_guest_ask(
        guest, (KernelGuestOrder){.verb = KERNEL_GUEST_READ, .a = {hva}});
}

int64_t
kernel_guest_madvise(KernelGuest *guest, uint64_t hva, uint64_t bytes,
                     int advice)
{
    return kernel_guest_ask(
        guest, (KernelGuestOrder){.verb = KERNEL_GUEST_SYSCALL,
                                  .nr = SYS_madvise,
                                  .a = {hva, bytes, (uint64_t)advice}});
}
