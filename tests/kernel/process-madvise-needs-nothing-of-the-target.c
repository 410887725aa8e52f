/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sweep asks QEMU for nothing: the target may be stopped, under another
 * user, without capabilities, and in the strictest seccomp sandbox.
 */
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/kernel/support/kernel-fixture.h"

static int64_t
call(KernelFixture *k, long nr, uint64_t a, uint64_t b, uint64_t c)
{
    return kernel_guest_ask(&k->guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_SYSCALL, .nr = nr, .a = {a, b, c}});
}

static void
stopped_sandboxed_and_nobody(void)
{
    g_auto(KernelFixture) k = {0};
    int status;
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_fill(&k, 0);
    g_assert_cmpint(call(&k, SYS_setresuid, 65534, 65534, 65534), ==, 0);
    g_assert_cmpint(call(&k, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT,
                         0), ==, 0);
    g_assert_no_errno(kill(k.guest.pid, SIGSTOP));
    g_assert_no_errno(waitpid(k.guest.pid, &status, WUNTRACED));
    g_assert_true(WIFSTOPPED(status));
    g_assert_cmpint(kernel_fixture_collapse(&k, 0), ==, 0);
    g_assert_cmpuint(kernel_fixture_huge_bytes(&k), ==, EXTENT_BYTES);
    g_assert_no_errno(kill(k.guest.pid, SIGCONT));
    g_assert_cmpint(kernel_guest_read(&k.guest, kernel_fixture_hva(&k, 500)),
                    ==, kernel_fixture_byte(500));
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/process-madvise", stopped_sandboxed_and_nobody);
    return g_test_run();
}
