/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where no thread is to be had for a while one is had later; where none is to
 * be had at all, an error says so and the process lives on.
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"

static gpointer
run(gpointer data)
{
    return data;
}

static void
test_later(void)
{
    g_autoptr(GError) error = NULL;
    int word;
    thread_refuse(5);
    GThread *thread = thread_start("later", run, &word, &error);
    g_assert_no_error(error);
    g_assert_true(g_thread_join(thread) == &word);
}

static void
test_never(void)
{
    g_autoptr(GError) error = NULL;
    thread_refuse(1000000);
    g_assert_null(thread_start("never", run, NULL, &error));
    thread_refuse(0);
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_nonnull(strstr(error->message, "'never'"));
    g_assert_nonnull(strstr(error->message, "ulimit -u, pids.max"));
}

/* The kernel's own no: an ordinary user at the limit of processes. */
static void
test_limit(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    g_autoptr(GError) error = NULL;
    struct rlimit none = {0, 0};
    if (geteuid() == 0) {
        g_assert_no_errno(setuid(65534));
    }
    g_assert_no_errno(setrlimit(RLIMIT_NPROC, &none));
    g_assert_null(thread_try("limit", run, NULL, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    /* LeakSanitizer would want a process at the end, too. */
    _exit(0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/later", test_later);
    g_test_add_func("/thread/never", test_never);
    g_test_add_func("/thread/limit", test_limit);
    return g_test_run();
}
