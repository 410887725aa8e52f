/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A QEMU without any capability may not create a userfaultfd that sees kernel
 * faults; it is told so, and the /dev/userfaultfd passed to it does the job.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "tests/support/lone-qemu.h"
#include "tests/support/victim-run.h"

static const LoneQemuOptions unprivileged = {"tcg", false, true};

static bool
kernel_lets_anybody(void)
{
    g_autofree char *text = NULL;
    return g_file_get_contents("/proc/sys/vm/unprivileged_userfaultfd", &text,
                               NULL, NULL) &&
           text[0] == '1';
}

static void
test_refusal(void)
{
    LoneQemu qemu;
    int remote = -1;
    g_autoptr(GError) error = NULL;
    if (kernel_lets_anybody()) {
        victim_run_skip("vm.unprivileged_userfaultfd=1: nobody is refused");
        return;
    }
    if (!victim_run_is_possible() || !lone_qemu_start(&qemu, &unprivileged)) {
        return;
    }
    g_assert_cmpint(attach_create_userfaultfd(qemu.pid, &remote, &error), ==,
                    -1);
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "add-fd"));
    g_assert_nonnull(strstr(error->message, "vm.unprivileged_userfaultfd=1"));
    g_assert_cmpint(remote, ==, -1);
    lone_qemu_prove(&qemu);
    lone_qemu_stop(&qemu);
}

/* {"return": {"fdset-id": 0, "fd": 17}} */
static int
pass_device(LoneQemu *qemu, int device)
{
    g_autofree char *answer =
        lone_qemu_ask(qemu, "{\"execute\":\"add-fd\"}\n", device);
    const char *at = strstr(answer, "\"fd\": ");
    g_assert_nonnull(at);
    return atoi(at + 6);
}

static void
test_device(void)
{
    LoneQemu qemu;
    int remote = -1;
    g_autoptr(GError) error = NULL;
    autofd device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        victim_run_skip("no /dev/userfaultfd (Linux 6.1)");
        return;
    }
    if (!victim_run_is_possible() || !lone_qemu_start(&qemu, &unprivileged)) {
        return;
    }
    int number = pass_device(&qemu, device);
    g_autofree char *before = victim_run_descriptors(qemu.pid);
    autofd fd = attach_create_userfaultfd_from_device(qemu.pid, number,
                                                      &remote, &error);
    g_assert_no_error(error);
    struct uffdio_api api = {.api = UFFD_API};
    g_assert_cmpint(ioctl(fd, UFFDIO_API, &api), ==, 0);
    attach_close_userfaultfd(qemu.pid, remote, &error);
    g_assert_no_error(error);
    g_autofree char *after = victim_run_descriptors(qemu.pid);
    g_assert_cmpstr(before, ==, after);

    /* Standard input is no such device. */
    g_assert_cmpint(attach_create_userfaultfd_from_device(qemu.pid, 0, &remote,
                                                          &error),
                    ==, -1);
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_STATE));
    lone_qemu_prove(&qemu);
    lone_qemu_stop(&qemu);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/attach/unprivileged/refused", test_refusal);
    g_test_add_func("/host/attach/unprivileged/device", test_device);
    return g_test_run();
}
