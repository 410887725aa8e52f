/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names that look like the rest of the line, lines that end early, and a
 * process whose number is right and whose life is another.
 */
#include "base/proc-life.h"

#include <signal.h>
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc-life/parse", parses);
    g_test_add_func("/proc-life/lives", tells_lives_apart);
    return g_test_run();
}
