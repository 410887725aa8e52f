/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting and asking victims: see victim-run.h.
 */
#include "tests/support/victim-run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const victim_run_modes[] = {
    "ppoll", "poll", "nanosleep", "futex",
    "epoll", "read", "busy",      "rseq",  NULL,
};

static char *
read_answer(VictimRun *run)
{
    char line[256];
    if (!fgets(line, sizeof line, run->out)) {
        int status = 0;
        waitpid(run->pid, &status, 0);
        g_error("victim %d is gone (status %#x)", (int)run->pid, status);
    }
    return g_strdup(g_strchomp(line));
}

void
victim_run_start(VictimRun *run, const char *mode)
{
    int in = -1, out = -1;
    g_autoptr(GError) error = NULL;
    const char *argv[] = {VICTIM_PATH, mode, NULL};
    GPid pid;
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                             G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &in,
                             &out, NULL, &error);
    g_assert_no_error(error);
    run->pid = pid;
    run->in = fdopen(in, "w");
    run->out = fdopen(out, "r");
    g_autofree char *answer = read_answer(run);
    g_assert_cmpstr(answer, ==, "ready");
    /* Has opened by now what it opens. */
    victim_run_prove(run);
}

void
victim_run_prove(VictimRun *run)
{
    fputs("prove\n", run->in);
    fflush(run->in);
    g_autofree char *answer = read_answer(run);
    if (!g_str_has_prefix(answer, "ok ")) {
        g_error("victim %d: %s", (int)run->pid, answer);
    }
}

void
victim_run_stop(VictimRun *run)
{
    kill(run->pid, SIGKILL);
    waitpid(run->pid, NULL, 0);
    fclose(run->in);
    fclose(run->out);
}

static int
by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
victim_run_descriptors(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *fd = g_build_filename(path, name, NULL);
        g_autofree char *link = g_file_read_link(fd, NULL);
        g_ptr_array_add(lines, g_strdup_printf("%s -> %s", name, link));
    }
    g_ptr_array_sort(lines, by_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

void
victim_run_skip(const char *reason)
{
    if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
        g_test_message("needed: %s", reason);
        g_test_fail();
    } else {
        g_test_skip(reason);
    }
}

bool
victim_run_is_possible(void)
{
    if (geteuid() != 0) {
        victim_run_skip("tracing another process needs root");
        return false;
    }
    return true;
}
