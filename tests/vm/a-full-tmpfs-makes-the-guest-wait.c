/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination's tmpfs is smaller than the guest: what fits arrives, an
 * access to what does not waits, for longer than a silent peer is borne, and
 * nobody invents a byte or gives the guest up. When there is room it goes on by
 * itself. The tmpfs is in a mount namespace of the test's own, so that it goes
 * with it.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "tests/support/vm-expect.h"

static void
mount_tmpfs(const char *path, const char *options, unsigned long flags)
{
    g_assert_no_errno(mount("postlude-test", path, "tmpfs",
                            MS_NOSUID | MS_NODEV | flags, options));
}

static VmPair *
start(const char *path, const char *append)
{
    VmQemuOptions source = vm_expect_options(96);
    VmQemuOptions destination = vm_expect_options(96);
    source.append = destination.append = append;
    destination.memory[0].path = path;
    return vm_expect_pair_of(&source, &destination);
}

static void
waits(const char *size, const char *append)
{
    int status;
    static const char *const impatient[] = {"--link-timeout", "3", NULL};
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autofree char *path = vm_child_make_directory("postlude-full", &error);
    g_assert_no_error(error);
    mount_tmpfs(path, size, 0);
    {
        g_autoptr(VmPair) pair = start(path, append);
        g_autoptr(VmTool) send = vm_expect_send(pair, impatient);
        g_autoptr(VmTool) receive = vm_expect_receive(pair, impatient);
        vm_expect_says(receive, "or of the tmpfs, is too low for the guest in "
                                "huge pages");
        vm_expect_says(receive, "the guest waits; free memory or raise");
        g_usleep(14 * G_USEC_PER_SEC);
        /* Once: if a helper was itself kept from its CPU for so long. */
        vm_expect_said(receive, "dialling the source", 1);
        vm_expect_status(receive, "NO MEMORY HERE");
        g_assert_false(vm_child_has_ended(vm_tool_child(send), &status));
        g_assert_false(vm_child_has_ended(vm_tool_child(receive), &status));
        mount_tmpfs(path, "size=200m", MS_REMOUNT);
        vm_expect_arrives(pair, send, receive);
    }
    g_assert_no_errno(umount(path));
    vm_child_remove_directory(path);
}

static void
test_waits(void)
{
    waits("size=40m", "mib=64 scan=1 stride=64 report=50 slow=1000");
}

/* A page of zeros costs nothing until the guest touches it; then there is no
 * room for it either. */
static void
test_zeros_wait(void)
{
    waits("size=7m", "mib=64 scan=1 stride=64 report=50 slow=1000 zero=90");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        g_printerr("cannot have a mount namespace of its own: %s\n",
                   g_strerror(errno));
        return g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0 ? 1 : 77;
    }
    g_test_add_func("/full-tmpfs/waits", test_waits);
    g_test_add_func("/full-tmpfs/zeros-wait", test_zeros_wait);
    return g_test_run();
}
