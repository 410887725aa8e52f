/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What reaches stderr: each case in a process of its own, whose stderr is
 * compared line by line.
 */
#include "base/log.h"

#include <glib.h>
#include <unistd.h>

#define TRAP(name) "/log/" name "/subprocess"

static void
run(const char *path, const char *expected)
{
    g_test_trap_subprocess(path, 20000000, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr(expected);
}

static void
quiet_subprocess(void)
{
    log_init(false);
    g_log("room", G_LOG_LEVEL_DEBUG, "unseen");
    g_log("room", G_LOG_LEVEL_INFO, "unseen as well");
    g_log("room", G_LOG_LEVEL_MESSAGE, "told %d%%", 5);
    log_set_vm("web1");
    g_log("room", G_LOG_LEVEL_MESSAGE, "of a guest");
    log_set_vm(NULL);
    g_log(NULL, G_LOG_LEVEL_MESSAGE, "of none");
}

static void
quiet(void)
{
    run(TRAP("quiet"), "postlude: told 5%\n"
                       "postlude[web1]: of a guest\n"
                       "postlude: of none\n");
}

static void
verbose_subprocess(void)
{
    log_init(true);
    g_log("room", G_LOG_LEVEL_DEBUG, "seen");
    log_set_vm("web1");
    g_log("hall", G_LOG_LEVEL_INFO, "seen");
}

static void
verbose(void)
{
    run(TRAP("verbose"), "postlude: room: seen\n"
                         "postlude[web1]: hall: seen\n");
}

/* g_test_init() makes warnings fatal; a program of ours does not. */
static void
levels_subprocess(void)
{
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    log_init(false);
    g_log("room", G_LOG_LEVEL_WARNING, "careful");
    g_log("room", G_LOG_LEVEL_CRITICAL, "impossible");
}

static void
levels(void)
{
    run(TRAP("levels"), "postlude: warning: careful\n"
                        "postlude: bug: impossible\n");
}

static void
say_bar(void)
{
    g_assert_cmpint(write(STDERR_FILENO, "-", 1), ==, 1);
}

static void
hook_subprocess(void)
{
    log_init(false);
    log_set_before_line(say_bar);
    g_message("one");
    g_debug("not even the hook");
    log_set_before_line(NULL);
    g_message("two");
}

static void
hook(void)
{
    run(TRAP("hook"), "-postlude: one\npostlude: two\n");
}

/* Whoever names a VM does not write the log. */
static void
names_subprocess(void)
{
    log_init(false);
    log_set_vm("a\033[2J\nb");
    g_log("room", G_LOG_LEVEL_MESSAGE, "it says %s", "\xe2\x80\xae\r\xff");
}

static void
names(void)
{
    run(TRAP("names"),
        "postlude[a\\x1b[2J\\nb]: it says \\u202e\\r\\xff\n");
}

static void
less_subprocess(void)
{
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    log_init(false);
    g_assert_false(log_is_quiet());
    log_set_quiet();
    g_assert_true(log_is_quiet());
    g_log("room", G_LOG_LEVEL_MESSAGE, "unseen");
    g_log("room", G_LOG_LEVEL_WARNING, "careful");
    log_set_verbose();
    g_log("room", G_LOG_LEVEL_DEBUG, "seen");
}

static void
less(void)
{
    run(TRAP("less"), "postlude: warning: careful\npostlude: room: seen\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("G_MESSAGES_DEBUG");
    g_test_add_func("/log/quiet", quiet);
    g_test_add_func(TRAP("quiet"), quiet_subprocess);
    g_test_add_func("/log/verbose", verbose);
    g_test_add_func(TRAP("verbose"), verbose_subprocess);
    g_test_add_func("/log/levels", levels);
    g_test_add_func(TRAP("levels"), levels_subprocess);
    g_test_add_func("/log/hook", hook);
    g_test_add_func(TRAP("hook"), hook_subprocess);
    g_test_add_func("/log/names", names);
    g_test_add_func(TRAP("names"), names_subprocess);
    g_test_add_func("/log/less", less);
    g_test_add_func(TRAP("less"), less_subprocess);
    return g_test_run();
}
