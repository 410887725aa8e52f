/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both helpers, looked at from outside when the destination is armed: every
 * thread is an unprivileged user with the few capabilities it needs, behind a
 * filter, in an empty file system; the guest moves nevertheless. With
 * --no-confine it is not so, or this test would say nothing. What the walls
 * hold back is tried in tests/host/a-confined-process-is-refused.c.
 */
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/vm-expect.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define SENDER (BIT(CAP_SYS_NICE) | BIT(CAP_DAC_OVERRIDE))
#define RECEIVER (SENDER | BIT(CAP_SYS_PTRACE))

static uint64_t
field(const char *status, const char *name, int base)
{
    const char *at = strstr(status, name);
    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen(name), NULL, base);
}

static void
look_at_thread(const char *path, bool confined, uint64_t allowed)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return; /* it has just ended */
    }
    g_test_message("%s", path);
    g_assert_cmpint(field(text, "\nUid:\t", 10) != 0, ==, confined);
    g_assert_cmpint(field(text, "\nNoNewPrivs:\t", 10), ==, confined);
    g_assert_cmpint(field(text, "\nSeccomp:\t", 10), ==, confined ? 2 : 0);
    if (confined) {
        g_assert_cmphex(field(text, "\nCapPrm:\t", 16) & ~allowed, ==, 0);
        g_assert_cmphex(field(text, "\nCapInh:\t", 16), ==, 0);
    }
}

static bool
sees(pid_t pid, const char *path)
{
    struct stat st;
    g_autofree char *there =
        g_strdup_printf("/proc/%d/root%s", (int)pid, path);
    return stat(there, &st) == 0;
}

static void
look_at(VmTool *tool, bool confined, uint64_t allowed)
{
    pid_t pid = vm_child_pid(vm_tool_child(tool));
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(tasks, 0, NULL);
    g_assert_nonnull(dir);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path =
            g_build_filename(tasks, name, "status", NULL);
        look_at_thread(path, confined, allowed);
    }
    g_assert_true(sees(pid, "/run/postlude"));
    g_assert_cmpint(sees(pid, "/etc"), ==, !confined);
    g_assert_cmpint(sees(pid, "/proc/self"), ==, !confined);
}

static void
test_move(gconstpointer data)
{
    bool confined = GPOINTER_TO_INT(data);
    const char *word = confined ? "--require-confine" : "--no-confine";
    const char *source[] = {"--wait", word, NULL};
    const char *destination[] = {word, NULL};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, source);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, destination);
    vm_expect_says(send, "send SIGUSR1");
    look_at(send, confined, SENDER);
    look_at(receive, confined, RECEIVER);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_arrives(pair, send, receive);
}

/* What it would have done is measured by nobody, or left to be done; the guest
 * arrives all the same. */
static void
test_attendant_dies(void)
{
    static const char *const wait[] = {"--wait", NULL};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    g_assert_cmpuint(vm_child_kill_orphans("attend"), ==, 1);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_end(receive, 60000, 0, "which does no harm");
    vm_expect_end(send, 60000, 0, "");
    vm_expect_beats(pair->destination);
    g_assert_cmpuint(vm_child_kill_orphans("attend"), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/confined/by-default", GINT_TO_POINTER(true),
                         test_move);
    g_test_add_data_func("/confined/not-if-told-so", GINT_TO_POINTER(false),
                         test_move);
    g_test_add_func("/confined/attendant-dies", test_attendant_dies);
    return g_test_run();
}
