/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process to attach to: "victim MODE". Its main thread waits or computes as
 * MODE says, a second thread computes in vector registers, a third sends the
 * main thread numbered signals, a fourth obeys standard input: "prove" is
 * answered with "ok ..." once every thread has made progress since the last
 * time and nothing was ever wrong, else with "bad REASON".
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/victim-rseq.h"
#include "tests/support/victim-spin.h"

#define WAIT_NS 3000000 /* one wait of the main thread */
#define SIGNAL_PAUSE_NS 1500000
#define ALTSTACK_BYTES ((size_t)1 << 20)
#define MASK_SIGNAL (SIGRTMIN + 4)

static const char *_Atomic wrong;
static _Atomic uint64_t main_rounds, spin_rounds, signals_seen, signals_sent;
static _Atomic uint64_t interrupted;
static uint32_t futex_word;
static bool has_avx512;

static void
check(bool good, const char *what)
{
    const char *none = NULL;
    if (!good) {
        atomic_compare_exchange_strong(&wrong, &none, what);
    }
}

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Real-time signals are queued: each must come, once, in order. */
static void
on_signal(int signal, siginfo_t *info, void *context)
{
    stack_t alt;
    (void)signal;
    (void)context;
    uint64_t seen = atomic_load(&signals_seen);
    check((uint32_t)info->si_value.sival_int == (uint32_t)seen + 1,
          "a signal was lost or came twice");
    check(sigaltstack(NULL, &alt) == 0 && (alt.ss_flags & SS_ONSTACK),
          "a handler does not run on the alternate stack");
    atomic_store(&signals_seen, seen + 1);
}

static void *
send_signals(void *main_thread)
{
    for (uint32_t i = 1;; i++) {
        union sigval value = {.sival_int = (int)i};
        atomic_store(&signals_sent, i);
        while (pthread_sigqueue(*(pthread_t *)main_thread, SIGRTMIN, value) !=
               0) {
            usleep(100);
        }
        /* Some waits end by a signal, some by their timeout. */
        nanosleep(&(struct timespec){.tv_nsec = SIGNAL_PAUSE_NS * (i % 5 + 1)},
                  NULL);
    }
    return NULL;
}

/* Computes in every register there is and compares with what must come out. */
static void
spin_once(uint64_t rounds)
{
    Spin spin;
    victim_spin_init(&spin, rounds, has_avx512);
    victim_spin_run(&spin);
    const char *bad = victim_spin_verdict(&spin);
    check(!bad, bad);
}

static void *
spin_forever(void *unused)
{
    (void)unused;
    for (;;) {
        spin_once(20000);
        atomic_fetch_add(&spin_rounds, 1);
    }
    return NULL;
}

/* A wait that says EINTR must have run a handler, or must be of a kind that
 * any stop ends early (signal(7)). */
static void
account(int result, uint64_t seen_before, bool ends_early)
{
    if (result >= 0) {
        return;
    }
    check(errno == EINTR, "a wait failed with something else than EINTR");
    check(ends_early || atomic_load(&signals_seen) != seen_before,
          "a wait said EINTR, and no handler ran");
    atomic_fetch_add(&interrupted, 1);
}

static void
wait_ppoll(uint64_t seen)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, MASK_SIGNAL); /* another mask inside than outside */
    account(ppoll(NULL, 0, &(struct timespec){.tv_nsec = WAIT_NS}, &mask),
            seen, false);
}

static void
wait_poll(uint64_t seen)
{
    account(poll(NULL, 0, WAIT_NS / 1000000), seen, false);
}

static void
wait_nanosleep(uint64_t seen)
{
    uint64_t begin = now_ns();
    struct timespec t = {.tv_nsec = WAIT_NS};
    int result = nanosleep(&t, NULL);
    account(result, seen, false);
    check(result < 0 || now_ns() - begin >= WAIT_NS, "a sleep was too short");
}

static void
wait_futex(uint64_t seen)
{
    struct timespec t = {.tv_nsec = WAIT_NS};
    long result = syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, &t,
                          NULL, 0);
    if (result < 0 && errno == ETIMEDOUT) {
        result = 0;
    }
    account((int)result, seen, false);
}

static void
wait_epoll(uint64_t seen)
{
    static int fd = -1;
    struct epoll_event event;
    if (fd < 0) {
        fd = epoll_create1(EPOLL_CLOEXEC);
    }
    account(epoll_wait(fd, &event, 1, WAIT_NS / 1000000), seen, true);
}

static void
wait_read(uint64_t seen)
{
    static int fd = -1;
    uint64_t ticks = 0;
    if (fd < 0) {
        struct itimerspec every = {.it_interval.tv_nsec = WAIT_NS,
                                   .it_value.tv_nsec = WAIT_NS};
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        timerfd_settime(fd, 0, &every, NULL);
    }
    ssize_t n = read(fd, &ticks, sizeof ticks);
    account((int)n, seen, false);
    check(n < 0 || (n == sizeof ticks && ticks > 0), "a read came back short");
}

static void
wait_busy(uint64_t seen)
{
    (void)seen;
    spin_once(20000);
}

static void
wait_rseq(uint64_t seen)
{
    (void)seen;
    check(victim_rseq_once() != VICTIM_RSEQ_FORGOTTEN,
          "a restartable sequence was disturbed and not aborted");
}

/* A parent waits for its vfork()ed child in a sleep that only a fatal signal
 * ends: no tracer can stop it. */
static void
wait_vfork(uint64_t seen)
{
    (void)seen;
    pid_t child = vfork();
    if (child == 0) {
        syscall(SYS_nanosleep, &(struct timespec){.tv_sec = 3}, NULL);
        _exit(0);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
}

static const struct {
    const char *name;
    void (*wait)(uint64_t seen);
    int signal_flags;
} modes[] = {
    {"ppoll", wait_ppoll, 0},          {"poll", wait_poll, 0},
    {"nanosleep", wait_nanosleep, 0},  {"futex", wait_futex, 0},
    {"epoll", wait_epoll, 0},          {"read", wait_read, SA_RESTART},
    {"busy", wait_busy, SA_RESTART},   {"vfork", wait_vfork, SA_RESTART},
    {"rseq", wait_rseq, SA_RESTART},
};

static bool
moves_on(_Atomic uint64_t *counter)
{
    uint64_t before = atomic_load(counter);
    for (int i = 0; i < 10000; i++) {
        if (atomic_load(counter) > before + 1) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static void *
obey(void *unused)
{
    char line[64];
    (void)unused;
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "prove\n") != 0) {
            continue;
        }
        check(moves_on(&main_rounds), "the main thread stands still");
        check(moves_on(&spin_rounds), "the computing thread stands still");
        check(moves_on(&signals_seen), "the signals do not arrive");
        const char *what = atomic_load(&wrong);
        if (what) {
            printf("bad %s\n", what);
        } else {
            printf("ok rounds=%llu spins=%llu signals=%llu interrupted=%llu\n",
                   (unsigned long long)main_rounds,
                   (unsigned long long)spin_rounds,
                   (unsigned long long)signals_seen,
                   (unsigned long long)interrupted);
        }
        fflush(stdout);
    }
    exit(0);
}

static void
start(pthread_t *thread, void *(*function)(void *), void *data)
{
    /* Only the main thread takes signals. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(thread, NULL, function, data) != 0) {
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* What must never change: blocked signals and the alternate stack. */
static void
check_lasting_state(void)
{
    sigset_t mask;
    stack_t alt;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    check(sigismember(&mask, MASK_SIGNAL - 1) == 1 &&
              sigismember(&mask, SIGRTMIN) == 0 &&
              sigismember(&mask, SIGUSR1) == 0,
          "the blocked signals have changed");
    check(sigaltstack(NULL, &alt) == 0 && alt.ss_size == ALTSTACK_BYTES &&
              alt.ss_flags == 0,
          "the alternate stack has changed");
}

int
main(int argc, char **argv)
{
    static pthread_t self, other;
    size_t mode = 0;
    while (mode < sizeof modes / sizeof *modes &&
           (argc != 2 || strcmp(argv[1], modes[mode].name) != 0)) {
        mode++;
    }
    if (mode == sizeof modes / sizeof *modes) {
        fprintf(stderr, "usage: victim MODE\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!__builtin_cpu_supports("avx")) {
        fprintf(stderr, "victim: this processor has no AVX\n");
        return 77;
    }
    has_avx512 = __builtin_cpu_supports("avx512f");

    stack_t alt = {.ss_sp = malloc(ALTSTACK_BYTES), .ss_size = ALTSTACK_BYTES};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, MASK_SIGNAL - 1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                           modes[mode].signal_flags};
    if (sigaltstack(&alt, NULL) != 0 ||
        sigaction(SIGRTMIN, &action, NULL) != 0) {
        return 1;
    }
    self = pthread_self();
    start(&other, spin_forever, NULL);
    start(&other, send_signals, &self);
    start(&other, obey, NULL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint64_t seen = atomic_load(&signals_seen);
        modes[mode].wait(seen);
        check_lasting_state();
        atomic_fetch_add(&main_rounds, 1);
    }
}
