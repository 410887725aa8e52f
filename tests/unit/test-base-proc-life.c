/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names that look like the rest of the line, lines that end early, and a
 * process whose number is right and whose life is another.
 */
#include "base/proc-life.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define REST " S 1 2 2 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 "

static void
parses(void)
{
    static const char *const good[] = {
        "7 (qemu)" REST "4711 99 3\n",
        "7 (a b) c) (d)" REST "4711",
        "7 ())" REST "4711 ",
    };
    static const char *const bad[] = {
        "", "7", "7 (qemu", "7 (qemu) S 1 2", "7 (qemu)" REST,
        "7 (qemu)" REST "-4711", "7 (qemu)" REST "x",
        "7 (qemu)" REST "99999999999999999999999",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        uint64_t started = 0;
        g_assert_true(proc_life_parse(good[i], &started, NULL));
        g_assert_cmpuint(started, ==, 4711);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t started;
        g_assert_false(proc_life_parse(bad[i], &started, &error));
        g_assert_true(error_is(error, ERROR_PROTOCOL));
    }
}

static void
tells_lives_apart(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t started = 0;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    g_assert_true(proc_life_started(child, &started, &error));
    g_assert_cmpuint(started, >, 0);
    autofd same = proc_life_open(child, started, &error);
    g_assert_no_error(error);
    g_assert_cmpint(same, >=, 0);
    g_assert_false(proc_life_has_ended(same, 0));
    g_assert_false(proc_life_has_ended(-1, 0));
    g_assert_cmpint(proc_life_open(child, started + 1, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_clear_error(&error);
    siginfo_t info;
    kill(child, SIGKILL);
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    g_assert_true(proc_life_has_ended(same, 0)); /* a zombie */
    g_assert_cmpint(proc_life_open(child, started, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_clear_error(&error);
    waitpid(child, NULL, 0);
    g_assert_cmpint(proc_life_open(child, started, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

/* Two threads count in memory that we see. */
static gpointer
count(gpointer counter)
{
    for (;;) {
        __atomic_add_fetch((uint64_t *)counter, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static uint64_t
look(const uint64_t *counters)
{
    return __atomic_load_n(&counters[0], __ATOMIC_RELAXED) +
           __atomic_load_n(&counters[1], __ATOMIC_RELAXED);
}

static void
wait_for_more(const uint64_t *counters, uint64_t than)
{
    for (int tries = 0; look(counters) <= than; tries++) {
        g_assert_cmpint(tries, <, 20000);
        g_usleep(1000);
    }
}

static void
freezes(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t started;
    uint64_t *counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        g_thread_new("count", count, &counters[0]);
        count(&counters[1]);
    }
    g_assert_true(proc_life_started(child, &started, &error));
    autofd life = proc_life_open(child, started, &error);
    wait_for_more(counters, 100000);
    for (int times = 0; times < 20; times++) {
        proc_life_freeze(child, life, 10000, &error);
        g_assert_no_error(error);
        uint64_t stands = look(counters);
        g_usleep(10000);
        g_assert_cmpuint(look(counters), ==, stands);
        proc_life_thaw(life);
        wait_for_more(counters, stands);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    g_assert_false(proc_life_freeze(child, life, 1000, &error));
    munmap(counters, 4096);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc-life/parse", parses);
    g_test_add_func("/proc-life/lives", tells_lives_apart);
    g_test_add_func("/proc-life/freeze", freezes);
    return g_test_run();
}
