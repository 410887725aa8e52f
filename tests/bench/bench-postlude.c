/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same move by "postlude send" and "postlude receive". The helpers are
 * reaped one after the other, so that the CPU time of each, with the children
 * it had, can be told from the other's.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/bench/bench-run.h"
#include "tests/bench/bench-watch.h"

#define MOVE_TIMEOUT_MS 60000
#define SAMPLE_MS 20

static uint64_t
status_kib(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? g_ascii_strtoull(at + strlen(name), NULL, 10) : 0;
}

/* ru_maxrss has the guest's pages that the helper maps; those are not its
 * own. There is no high-water mark without them, so it is sampled. */
static void
sample(VmTool *tool, BenchHelper *helper)
{
    g_autofree char *path = g_strdup_printf(
        "/proc/%d/status", vm_child_pid(vm_tool_child(tool)));
    g_autofree char *text = NULL;
    if (g_file_get_contents(path, &text, NULL, NULL)) {
        uint64_t kib = status_kib(text, "RssAnon:") +
                       status_kib(text, "RssFile:");
        helper->own_peak_kib = MAX(helper->own_peak_kib, kib);
    }
}

static int
open_pid(VmTool *tool)
{
    return (int)syscall(SYS_pidfd_open, vm_child_pid(vm_tool_child(tool)), 0);
}

static bool
reap(VmTool *tool, const char *name, BenchHelper *helper, GError **error)
{
    double before = bench_cpu_children_ms();
    int code;
    if (!vm_tool_wait(tool, 1000, &code, error)) {
        return false;
    }
    helper->cpu_ms = bench_cpu_children_ms() - before;
    if (code != 0) {
        g_autofree char *text = vm_tool_stderr(tool);
        return error_set(error, ERROR_FAILED,
                         "postlude %s exited with %d; it said: %s", name, code,
                         text);
    }
    return true;
}

/* Until both are zombies: nobody is reaped here. */
static bool
watch_helpers(VmPair *pair, VmTool *const tools[2], BenchHelper *helpers[2],
              BenchRun *run, GError **error)
{
    autofd first = open_pid(tools[0]);
    autofd second = open_pid(tools[1]);
    int fds[] = {first, second};
    uint64_t deadline = fd_deadline_ns(MOVE_TIMEOUT_MS);
    if (first < 0 || second < 0) {
        return error_set_errno(error, errno, "pidfd_open");
    }
    while (fds[0] >= 0 || fds[1] >= 0) {
        if (!bench_watch_once(pair, fds, 2, SAMPLE_MS, run, error)) {
            return false;
        }
        for (int i = 0; i < 2; i++) {
            GError *running = NULL;
            if (fds[i] < 0) {
                continue;
            }
            sample(tools[i], helpers[i]);
            if (fd_wait(fds[i], POLLIN, fd_now_ns(), &running)) {
                helpers[i]->exit_us = g_get_real_time();
                fds[i] = -1;
            }
            g_clear_error(&running);
        }
        if (fd_now_ns() > deadline) {
            g_autofree char *send = vm_tool_stderr(tools[0]);
            g_autofree char *receive = vm_tool_stderr(tools[1]);
            return error_set(error, ERROR_RETRY,
                             "the helpers did not end in time; send said: %s; "
                             "receive said: %s", send, receive);
        }
    }
    return true;
}

/* The helper does not say when, by the wall clock, the last page came, but how
 * long it came after STOPPED. The guest was resumed later than that, so this
 * is late by less than the downtime: never to our advantage. */
static bool
find_last_page(BenchRun *run, GError **error)
{
    double ms;
    if (!vm_tool_number(run->received, "$.postcopy_ms", &ms, error)) {
        return false;
    }
    run->last_page_us = MIN(run->resume_us + (gint64)(ms * 1000),
                            run->receive.exit_us);
    return true;
}

bool
bench_postlude_move(const BenchPlan *plan, VmPair *pair, BenchRun *run,
                    GError **error)
{
    g_autofree char *streams = g_strdup_printf("%d", plan->streams);
    const char *extra[5] = {NULL};
    int n = 0;
    if (plan->streams) {
        extra[n++] = "--streams";
        extra[n++] = streams;
    }
    if (plan->tls_psk) {
        extra[n++] = "--tls-psk";
        extra[n++] = plan->tls_psk;
    }
    run->start_us = g_get_real_time();
    g_autoptr(VmTool) send = vm_pair_send(pair, extra, error);
    g_autoptr(VmTool) receive = send ? vm_pair_receive(pair, extra, error)
                                     : NULL;
    if (!receive) {
        return false;
    }
    VmTool *tools[] = {send, receive};
    BenchHelper *helpers[] = {&run->send, &run->receive};
    if (!watch_helpers(pair, tools, helpers, run, error)) {
        return false;
    }
    run->over_us = MAX(run->send.exit_us, run->receive.exit_us);
    return reap(receive, "receive", &run->receive, error) &&
           reap(send, "send", &run->send, error) &&
           (run->sent = vm_tool_report(send, error)) &&
           (run->received = vm_tool_report(receive, error)) &&
           find_last_page(run, error);
}
