/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What /proc says about a process, from text.
 */
#include "attach/attach-target.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"

static void
test_status(void)
{
    AttachStatus status;
    g_assert_true(attach_target_parse_status(
        "Name:\tState:\tX\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t41\n"
        "Ngid:\t0\nPid:\t42\nPPid:\t1\nTracerPid:\t7\nThreads:\t3\n",
        &status));
    g_assert_cmpint(status.state, ==, 'S');
    g_assert_cmpint(status.process, ==, 41);
    g_assert_cmpint(status.tracer, ==, 7);
    g_assert_false(status.shadow_stack);
}

static void
test_shadow_stack(void)
{
    static const struct {
        const char *line;
        bool on;
    } cases[] = {
        {"x86_Thread_features:\tshstk wrss\n", true},
        {"x86_Thread_features:\tshstk", true},
        {"x86_Thread_features:\t\nx86_Thread_features_locked:\tshstk\n",
         false},
        {"x86_Thread_features:\t\n", false},
        {"", false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        AttachStatus status;
        g_autofree char *text = g_strconcat(
            "State:\tR (running)\nTgid:\t1\nTracerPid:\t0\n", cases[i].line,
            NULL);
        g_assert_true(attach_target_parse_status(text, &status));
        g_assert_true(status.shadow_stack == cases[i].on);
    }
}

static void
test_not_a_status(void)
{
    static const char *const texts[] = {
        "",
        "State:\tS\n",
        "State:\nTgid:\t1\n",
        "Tgid:\t1\nTracerPid:\t0\n",
        "xState:\tS\nTgid:\t1\nTracerPid:\t0\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        AttachStatus status = {.state = '?'};
        g_assert_false(attach_target_parse_status(texts[i], &status));
        g_assert_cmpint(status.state, ==, '?');
    }
}

static void
test_kernel_thread(void)
{
    g_assert_true(
        attach_target_is_kernel("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0"));
    g_assert_false(
        attach_target_is_kernel("1 (init) S 0 1 1 0 -1 4194560 75 0 0"));
    /* A command that tries to look like one. */
    g_assert_false(attach_target_is_kernel(
        "9 (a) S 0 0 0 0 -1 2129984 (b) S 0 1 1 0 -1 4194560 75 0 0"));
    g_assert_false(attach_target_is_kernel(""));
    g_assert_false(attach_target_is_kernel("9 (x) S"));
}

static void
test_program(void)
{
    uint8_t head[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    head[18] = 62; /* EM_X86_64 */
    g_assert_true(attach_target_is_native(head, sizeof head));
    g_assert_false(attach_target_is_native(head, sizeof head - 1));
    head[4] = 1; /* x32 or i386 */
    g_assert_false(attach_target_is_native(head, sizeof head));
    head[4] = 2;
    head[18] = 183; /* EM_AARCH64 */
    g_assert_false(attach_target_is_native(head, sizeof head));
    memcpy(head, "#!/bin/sh\n", 10);
    g_assert_false(attach_target_is_native(head, sizeof head));
}

static void
test_threads(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) threads = attach_target_threads(getpid(), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(threads->len, ==, 1);
    g_assert_cmpint(g_array_index(threads, pid_t, 0), ==, getpid());
    g_assert_null(attach_target_threads(-1, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/target/status", test_status);
    g_test_add_func("/attach/target/shadow-stack", test_shadow_stack);
    g_test_add_func("/attach/target/not-a-status", test_not_a_status);
    g_test_add_func("/attach/target/kernel-thread", test_kernel_thread);
    g_test_add_func("/attach/target/program", test_program);
    g_test_add_func("/attach/target/threads", test_threads);
    return g_test_run();
}
