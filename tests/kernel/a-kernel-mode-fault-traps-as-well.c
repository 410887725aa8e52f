/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * KVM and vhost touch guest RAM from inside the kernel. So does a system call
 * with a registered buffer: it traps, waits and goes on like any other. Where
 * the userfaultfd is USER_MODE_ONLY it fails with EFAULT instead, which is why
 * that flag is no good to us.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
check(long call, const char *path, int flags, bool write_fault)
{
    g_auto(KernelFixture) k = {0};
    autofd file = open(path, flags | O_CLOEXEC); /* the guest inherits it */
    UffdEvent event;
    g_assert_no_errno(file);
    kernel_fixture_init_armed(&k, 1);
    kernel_fixture_fill(&k, 0);
    uint64_t hva = kernel_fixture_hva(&k, 21);
    kernel_guest_order(&k.guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_SYSCALL, .nr = call,
        .a = {(uint64_t)file, hva, PAGE_BYTES}});
    g_assert_true(kernel_fixture_event(&k, &event));
    g_assert_cmphex(event.hva, ==, hva);
    g_assert_cmpint(event.write, ==, write_fault);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, (int64_t)PAGE_BYTES);
}

static void
read_into_the_guest(void)
{
    check(SYS_read, "/dev/zero", O_RDONLY, true);
}

static void
write_from_the_guest(void)
{
    autofd sink = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    g_assert_no_errno(sink);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", sink);
    check(SYS_write, path, O_WRONLY, false);
}

static void
user_mode_only_says_efault(void)
{
    g_auto(KernelFixture) k = {0};
    autofd zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    g_assert_no_errno(zero);
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_arm_with(&k, UFFD_USER_MODE_ONLY, KERNEL_BOTH, 0);
    KernelGuestOrder order = {.verb = KERNEL_GUEST_SYSCALL, .nr = SYS_read,
                              .a = {(uint64_t)zero, k.theirs, PAGE_BYTES}};
    g_assert_cmpint(kernel_guest_ask(&k.guest, order), ==, -EFAULT);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/kernel-mode/read", read_into_the_guest);
    kernel_fixture_add("/kernel/kernel-mode/write", write_from_the_guest);
    kernel_fixture_add("/kernel/kernel-mode/user-only",
                       user_mode_only_says_efault);
    return g_test_run();
}
