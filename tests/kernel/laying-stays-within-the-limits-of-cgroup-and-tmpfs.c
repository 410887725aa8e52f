/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What laying does when the VM's memory cgroup or the tmpfs is too small for
 * its RAM: some extents are laid, the rest stay holes and are counted with the
 * reason; neither the target nor we die.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-lay.h"
#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/kernel/support/kernel-fixture.h"

#define EXTENTS 32
#define LIMIT (EXTENTS / 2 * EXTENT_BYTES)

static void
describe(const CollapseLayResult *result, const GError *error)
{
    g_test_message("laid %u, failed %u, %s x %u, %s",
                   (unsigned)result->laid_extents,
                   (unsigned)result->failed_extents,
                   g_strerror(result->errors.kinds[0].errnum),
                   (unsigned)result->errors.kinds[0].count,
                   error ? error->message : "no error");
}

static uint64_t
allocated_bytes(int file)
{
    struct stat info;
    g_assert_no_errno(fstat(file, &info));
    return (uint64_t)info.st_blocks * 512;
}

/* True or false as collapse_lay(); in both cases LAID must tell the truth. */
static bool
lay_all(int file, pid_t target, CollapseLayResult *result)
{
    g_autoptr(GError) error = NULL;
    uint8_t wanted[EXTENTS], laid[EXTENTS];
    unsigned sum = 0;
    memset(wanted, 1, sizeof wanted);
    CollapseLayBlock block = {.file = file, .bytes = EXTENTS * EXTENT_BYTES,
                              .wanted = wanted, .laid = laid};
    bool ok = collapse_lay(&block, 1, target, result, &error);
    describe(result, error);
    for (unsigned i = 0; i < EXTENTS; i++) {
        sum += laid[i];
    }
    g_assert_cmpuint(result->laid_extents, ==, sum);
    g_assert_cmpuint(result->laid_extents + result->failed_extents, ==,
                     EXTENTS);
    g_assert_cmpuint(allocated_bytes(file), ==, sum * EXTENT_BYTES);
    return ok;
}

static void
a_cgroup_that_is_too_small(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    g_auto(KernelFixture) k = {0};
    const char *reason = NULL;
    CollapseLayResult result;
    if (!kernel_fixture_need(kernel_cgroup_init(&cgroup, &reason), reason)) {
        return;
    }
    kernel_fixture_init(&k, EXTENTS, 0);
    kernel_cgroup_enter(&cgroup, k.guest.pid);
    kernel_cgroup_limit(&cgroup, LIMIT);
    lay_all(k.file, k.guest.pid, &result);
    g_assert_cmpuint(result.laid_extents, >=, EXTENTS / 2 - 2);
    g_assert_cmpuint(result.laid_extents, <=, EXTENTS / 2);
    /* The target was not the one to pay with its life. */
    g_assert_cmpint(kernel_guest_read(&k.guest, k.theirs), ==, 0);
    kernel_fixture_clear(&k);
}

static int64_t
call(KernelGuest *guest, int64_t nr, uint64_t a, uint64_t b, uint64_t c,
     uint64_t d)
{
    KernelGuestOrder order = {.verb = KERNEL_GUEST_SYSCALL, .nr = nr,
                              .a = {a, b, c, d}};
    int64_t result = kernel_guest_ask(guest, order);
    g_assert_cmpint(result, >=, 0);
    return result;
}

/* In a file that the target does not map, so that in the OOM killer's eyes it
 * stays as small beside the limit as a QEMU that waits for its guest. */
static void
fill_by(KernelGuest *guest)
{
    static const char name[] = "filling"; /* theirs is a fork of us */
    int64_t fd = call(guest, SYS_memfd_create, (uintptr_t)name, 0, 0, 0);
    call(guest, SYS_fallocate, (uint64_t)fd, 0, 0, LIMIT);
}

/* No extent fits. Should the OOM killer come, it takes the child, which
 * volunteers before it joins, and not the target, which is bigger. */
static void
a_cgroup_that_is_full(void)
{
    g_auto(KernelCgroup) cgroup = {0};
    g_auto(KernelFixture) k = {0};
    const char *reason = NULL;
    CollapseLayResult result;
    if (!kernel_fixture_need(kernel_cgroup_init(&cgroup, &reason), reason)) {
        return;
    }
    kernel_fixture_init(&k, EXTENTS, 0);
    kernel_cgroup_enter(&cgroup, k.guest.pid);
    fill_by(&k.guest);
    uint64_t usage = kernel_cgroup_usage_bytes(&cgroup);
    kernel_cgroup_limit(&cgroup, usage);
    lay_all(k.file, k.guest.pid, &result);
    g_assert_cmpuint(result.laid_extents, ==, 0);
    /* The read is of a hole, which takes a page. */
    kernel_cgroup_limit(&cgroup, usage + 2 * EXTENT_BYTES);
    g_assert_cmpint(kernel_guest_read(&k.guest, k.theirs), ==, 0);
    kernel_fixture_clear(&k);
}

static void
lay_on_a_small_tmpfs(const char *directory)
{
    CollapseLayResult result;
    autofd file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    g_assert_no_errno(file);
    g_assert_no_errno(ftruncate(file, EXTENTS * (off_t)EXTENT_BYTES));
    g_assert_true(lay_all(file, getpid(), &result));
    g_assert_cmpuint(result.laid_extents, ==, EXTENTS / 2);
    g_assert_cmpint(result.errors.kinds[0].errnum, ==, ENOSPC);
}

/* In a mount namespace of a child, so that nothing is left behind. */
static void
on_a_tmpfs(const char *size)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/mnt", "tmpfs", 0, size) < 0) {
            _exit(77);
        }
        lay_on_a_small_tmpfs("/mnt");
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (kernel_fixture_need(!WIFEXITED(status) || WEXITSTATUS(status) != 77,
                            "no tmpfs can be mounted here")) {
        g_assert_cmpint(status, ==, 0);
    }
}

static void
a_tmpfs_that_is_too_small(void)
{
    on_a_tmpfs("size=32m");
}

/* Room for the page that MADV_COLLAPSE wants to start from, and not for the
 * rest: the kernel calls that EINVAL. */
static void
a_tmpfs_of_an_odd_size(void)
{
    on_a_tmpfs("size=33m");
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/limits/cgroup", a_cgroup_that_is_too_small);
    kernel_fixture_add("/kernel/limits/full-cgroup", a_cgroup_that_is_full);
    kernel_fixture_add("/kernel/limits/tmpfs", a_tmpfs_that_is_too_small);
    kernel_fixture_add("/kernel/limits/odd-tmpfs", a_tmpfs_of_an_odd_size);
    return g_test_run();
}
