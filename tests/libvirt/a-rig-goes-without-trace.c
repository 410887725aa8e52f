/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever way a rig ends, with its parent, by its first process or by "down",
 * the daemons and QEMUs in it end too, and a rig in the same directory can be
 * made after it. Two rigs know nothing of each other.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/libvirt-expect.h"
#include "tests/support/vm-qemu.h"

static const LibvirtDomainOptions plain = {0};

static void
expect_gone(pid_t pid)
{
    uint64_t deadline = fd_deadline_ns(20000);
    while (kill(pid, 0) == 0) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(10000);
    }
}

static pid_t
number_in(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(atoi(text), >, 0);
    return (pid_t)atoi(text);
}

static void
test_killed(void)
{
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &plain);
    g_autofree char *path = libvirt_rig_file(rig, "b", "pid");
    g_autofree char *directory = g_path_get_dirname(path);
    pid_t qemu = libvirt_domain_pid(domain, "a");
    pid_t other = number_in(directory, "pid");
    g_autofree char *daemon_file =
        libvirt_rig_file(rig, "b", "run/libvirt/libvirtd.pid");
    g_autofree char *run = g_path_get_dirname(daemon_file);
    pid_t daemon_ = libvirt_rig_pid(rig, number_in(run, "libvirtd.pid"));
    g_assert_cmpint(qemu, >, 0);
    g_assert_cmpint(daemon_, >, 0);
    g_assert_cmpint(kill(qemu, 0), ==, 0);
    vm_child_kill(libvirt_rig_child(rig), SIGKILL);
    expect_gone(qemu);
    expect_gone(daemon_);
    expect_gone(other);
}

static void
rig_script(const char *verb, const char *directory, int code)
{
    g_autoptr(GError) error = NULL;
    const char *argv[] = {LIBVIRT_RIG_SCRIPT, verb, directory, NULL};
    g_autoptr(VmTool) tool = vm_tool_start_program("rig.sh", argv, &error);
    int got = -1;
    g_assert_no_error(error);
    vm_tool_wait(tool, 90000, &got, &error);
    g_assert_no_error(error);
    g_autofree char *said = vm_tool_stderr(tool);
    g_test_message("rig.sh %s: %s", verb, said);
    g_assert_cmpint(got, ==, code);
}

static void
test_script(void)
{
    if (vm_qemu_skip(libvirt_rig_why_not())) {
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autofree char *top = vm_child_make_directory("rig-script", &error);
    g_assert_no_error(error);
    g_autofree char *directory = g_build_filename(top, "rig", NULL);
    rig_script("up", directory, 0);
    rig_script("up", directory, 1); /* there is one */
    pid_t first = number_in(directory, "pid");
    g_assert_cmpint(kill(first, SIGKILL), ==, 0);
    expect_gone(first);
    rig_script("up", directory, 0); /* the rest of one is in nobody's way */
    g_autofree char *a = g_build_filename(directory, "a", NULL);
    pid_t host = number_in(a, "pid");
    rig_script("down", directory, 0);
    expect_gone(host);
    g_assert_cmpint(access(directory, F_OK), ==, -1);
    rig_script("down", directory, 0);
    vm_child_remove_tree(top);
}

static void
test_two(void)
{
    g_autoptr(LibvirtRig) one = libvirt_expect_rig();
    g_autoptr(LibvirtRig) two = one ? libvirt_expect_rig() : NULL;
    if (!two) {
        return;
    }
    g_autoptr(LibvirtDomain) first = libvirt_expect_domain(one, &plain);
    g_autoptr(LibvirtDomain) second = libvirt_expect_domain(two, &plain);
    libvirt_expect_plain_move(first, "a", NULL);
    g_autofree char *state = libvirt_domain_state(second, "a");
    g_assert_cmpstr(state, ==, "running");
    g_clear_pointer(&one, libvirt_rig_free);
    libvirt_expect_plain_move(second, "a", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rig-goes/killed", test_killed);
    g_test_add_func("/rig-goes/script", test_script);
    g_test_add_func("/rig-goes/two-at-once", test_two);
    return g_test_run();
}
