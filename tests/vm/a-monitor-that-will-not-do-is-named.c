/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A monitor that is absent, is no socket, speaks no QMP, is held by somebody
 * else, or belongs to a QEMU of the wrong role: the message names it.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"

static void
refuse_as(const char *verb, const char *socket, int code, const char *text)
{
    bool send = g_str_equal(verb, "send");
    const char *args[] = {"--qmp", socket, send ? "--listen" : "--connect",
                          "127.0.0.1:9", NULL};
    vm_expect_refusal(verb, args, code, text);
}

static void
refuse(const char *verb, const char *socket, const char *text)
{
    refuse_as(verb, socket, 1, text);
}

static void
refuse_both(const char *socket, int code, const char *text)
{
    refuse_as("send", socket, code, text);
    refuse_as("send", socket, code, socket);
    refuse_as("receive", socket, code, text);
    refuse_as("receive", socket, code, socket);
}

static void
test_absent(void)
{
    refuse_both("/nonexistent/qemu.qmp", 1,
                "is the VM running, and was QEMU started with");
}

static void
test_a_regular_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = vm_child_make_directory("postlude-file", &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(dir, "file", NULL);
    g_assert_true(g_file_set_contents(path, "{}", -1, NULL));
    /* Such a path can never be right: the command line is wrong. */
    refuse_both(path, 2, "is a regular file, not a socket");
    vm_child_remove_directory(dir);
}

/* A listener that greets as something else does; every caller gets it. */
static void
test_not_qmp(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = vm_child_make_directory("postlude-ssh", &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(dir, "ssh", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    autofd listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address,
                         sizeof address), ==, 0);
    g_assert_cmpint(listen(listener, 4), ==, 0);
    const char *args[] = {"--qmp", path, "--listen", "127.0.0.1:9", NULL};
    g_autoptr(VmTool) tool = vm_tool_start("send", args, false, &error);
    g_assert_no_error(error);
    autofd caller = accept(listener, NULL, NULL);
    g_assert_cmpint(caller, >=, 0);
    static const char hello[] = "SSH-2.0-OpenSSH_9.2\r\n";
    fd_write_all(caller, hello, strlen(hello), 0, NULL);
    vm_expect_end(tool, 60000, 1, path);
    vm_child_remove_directory(dir);
}

static void
test_held_by_another(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(GError) error = NULL;
    QmpClient *other = qmp_client_open(vm_qemu_tool_socket(pair->source),
                                       5000, &error);
    g_assert_no_error(error);
    refuse("send", vm_qemu_tool_socket(pair->source), "another client");
    vm_expect_at_home(pair);
    qmp_client_close(other);
    vm_expect_moves(pair);
}

static void
test_wrong_role(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    refuse("send", vm_qemu_tool_socket(pair->destination),
           "this QEMU waits for a guest itself");
    refuse("receive", vm_qemu_tool_socket(pair->source), "-incoming defer");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
    /* What has been moved away is no guest any more. */
    refuse("send", vm_qemu_tool_socket(pair->source), "'postmigrate'");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/a-monitor-that-will-not-do/absent", test_absent);
    g_test_add_func("/a-monitor-that-will-not-do/a-regular-file",
                    test_a_regular_file);
    g_test_add_func("/a-monitor-that-will-not-do/not-qmp", test_not_qmp);
    g_test_add_func("/a-monitor-that-will-not-do/held-by-another",
                    test_held_by_another);
    g_test_add_func("/a-monitor-that-will-not-do/wrong-role", test_wrong_role);
    return g_test_run();
}
