/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What add-fd answers is the number that the descriptor has inside QEMU, and
 * remove-fd closes it: at once from QEMU 10 on, in 7.2 only while the guest
 * runs, or when it runs and a client leaves.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/vm-qemu.h"

#define CLOSE_TIMEOUT_MS 10000

/* True if descriptor REMOTE_FD of VM is the file at PATH. */
static bool
is_open(VmQemu *vm, int remote_fd, const char *path)
{
    g_autofree char *link =
        g_strdup_printf("/proc/%d/fd/%d", vm_qemu_pid(vm), remote_fd);
    g_autofree char *target = g_file_read_link(link, NULL);
    return g_strcmp0(target, path) == 0;
}

static void
assert_closes(VmQemu *vm, int remote_fd, const char *path)
{
    uint64_t deadline_ns = fd_deadline_ns(CLOSE_TIMEOUT_MS);
    while (is_open(vm, remote_fd, path)) {
        g_assert_cmpuint(fd_now_ns(), <, deadline_ns);
        g_usleep(10000);
    }
}

static VmQemu *
start(gconstpointer version)
{
    g_autoptr(GError) error = NULL;
    static const char *const extra[] = {"-S", NULL};
    VmQemuOptions options = {.version = GPOINTER_TO_INT(version),
                             .kernel = "",
                             .extra = extra};
    g_autofree char *why_not = vm_qemu_why_not(options.version, false);
    if (why_not) {
        if (g_getenv("TESTS_MUST_RUN")) {
            g_test_fail_printf("%s", why_not);
        } else {
            g_test_skip(why_not);
        }
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

static void
test_number_and_end(gconstpointer version)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(version);
    if (!vm) {
        return;
    }
    g_autofree char *path = NULL;
    autofd ours = g_file_open_tmp("qmp-descriptor-XXXXXX", &path, &error);
    g_assert_no_error(error);
    QmpClient *client =
        qmp_client_open(vm_qemu_tool_socket(vm), 20000, &error);
    g_assert_no_error(error);
    int fdset = -1;
    int remote_fd = -1;
    int major, minor, micro;
    qmp_client_version(client, &major, &minor, &micro);

    g_assert_true(qmp_qemu_add_fd(client, ours, &fdset, &remote_fd, &error));
    g_assert_no_error(error);
    g_assert_true(is_open(vm, remote_fd, path));
    g_assert_true(qmp_qemu_remove_fdset(client, fdset, &error));
    g_assert_cmpint(is_open(vm, remote_fd, path), ==, major < 10);

    g_assert_true(qmp_qemu_cont(client, &error));
    qmp_client_close(client);
    assert_closes(vm, remote_fd, path);

    /* And while the guest runs, every version closes at once. */
    client = vm_qemu_monitor(vm);
    g_assert_true(qmp_qemu_add_fd(client, ours, &fdset, &remote_fd, &error));
    g_assert_true(is_open(vm, remote_fd, path));
    g_assert_true(qmp_qemu_remove_fdset(client, fdset, &error));
    g_assert_false(is_open(vm, remote_fd, path));
    g_assert_false(qmp_qemu_remove_fdset(client, fdset, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    unlink(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/qmp/descriptor/host",
                         GINT_TO_POINTER(VM_QEMU_HOST), test_number_and_end);
    g_test_add_data_func("/qmp/descriptor/10", GINT_TO_POINTER(VM_QEMU_10),
                         test_number_and_end);
    return g_test_run();
}
