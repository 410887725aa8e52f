/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench changes the settings of khugepaged. However it ends (by itself,
 * by SIGTERM, SIGINT, or killed outright), they are soon as before; and while
 * one benchmark has them, no other gets them.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench-khugepaged.h"

#define SETTINGS "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define WAIT_US 60000000

static char *
settings(void)
{
    static const char *const names[] = {"defrag", "pages_to_scan",
                                        "alloc_sleep_millisecs",
                                        "scan_sleep_millisecs"};
    g_autoptr(GString) all = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strconcat(SETTINGS, names[i], NULL);
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        g_file_get_contents(path, &text, NULL, &error);
        g_assert_no_error(error);
        g_string_append(all, text);
    }
    return g_strdup(all->str);
}

static bool
cannot_be_here(void)
{
    if (geteuid() == 0 && access(SETTINGS "pages_to_scan", W_OK) == 0) {
        return false;
    }
    const char *why = "needs root and khugepaged's settings in /sys";
    if (g_getenv("TESTS_MUST_RUN")) {
        g_error("%s", why);
    }
    g_test_skip(why);
    return true;
}

/* The guard of the one before gives them free a moment after they are as
 * before. */
static BenchKhugepaged *
open_soon(void)
{
    gint64 end = g_get_monotonic_time() + WAIT_US;
    for (;;) {
        g_autoptr(GError) error = NULL;
        BenchKhugepaged *khugepaged = bench_khugepaged_open(&error);
        if (khugepaged) {
            return khugepaged;
        }
        if (g_get_monotonic_time() > end) {
            g_assert_no_error(error);
        }
        g_usleep(10000);
    }
}

/* Changes the settings and says so; ends only by a signal. */
static void G_GNUC_NORETURN
change_and_wait(int ready)
{
    g_autoptr(GError) error = NULL;
    BenchKhugepaged *khugepaged = open_soon();
    bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_ASLEEP, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(ready, "x", 1), ==, 1);
    for (;;) {
        pause();
    }
}

static void
assert_soon(const char *before)
{
    gint64 end = g_get_monotonic_time() + WAIT_US;
    for (;;) {
        g_autofree char *now = settings();
        if (g_str_equal(now, before)) {
            return;
        }
        if (g_get_monotonic_time() > end) {
            g_assert_cmpstr(now, ==, before);
        }
        g_usleep(10000);
    }
}

static void
test_signal(gconstpointer data)
{
    int ends[2];
    char byte;
    if (cannot_be_here()) {
        return;
    }
    g_autofree char *before = settings();
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        setpgid(0, 0);
        change_and_wait(ends[1]);
    }
    close(ends[1]);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    g_autofree char *changed = settings();
    g_autoptr(GError) error = NULL;
    g_autoptr(BenchKhugepaged) other = bench_khugepaged_open(&error);
    /* The whole group, as a terminal does. */
    kill(-pid, GPOINTER_TO_INT(data));
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    assert_soon(before);
    g_assert_cmpstr(changed, !=, before);
    g_assert_null(other);
    g_assert_nonnull(strstr(error->message, "another benchmark"));
    close(ends[0]);
}

static void
test_by_itself(void)
{
    if (cannot_be_here()) {
        return;
    }
    g_autofree char *before = settings();
    g_autoptr(GError) error = NULL;
    BenchKhugepaged *khugepaged = open_soon();
    bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_ASLEEP, &error);
    g_assert_no_error(error);
    g_autofree char *changed = settings();
    bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_AS_FOUND, &error);
    g_autofree char *found = settings();
    bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_AGGRESSIVE, &error);
    bench_khugepaged_close(khugepaged);
    g_autofree char *after = settings();
    g_assert_no_error(error);
    g_assert_cmpstr(changed, !=, before);
    g_assert_cmpstr(found, ==, before);
    g_assert_cmpstr(after, ==, before);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/khugepaged/by-itself", test_by_itself);
    g_test_add_data_func("/khugepaged/SIGTERM", GINT_TO_POINTER(SIGTERM),
                         test_signal);
    g_test_add_data_func("/khugepaged/SIGINT", GINT_TO_POINTER(SIGINT),
                         test_signal);
    g_test_add_data_func("/khugepaged/SIGKILL", GINT_TO_POINTER(SIGKILL),
                         test_signal);
    return g_test_run();
}
