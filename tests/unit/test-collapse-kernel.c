/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a refusal means, by the mappings of a real process: this one, which any
 * kernel from 6.1 on lets itself sweep, and a child that ends. Nothing is
 * collapsed here: the errno is made up, the mapping is not.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-kernel.h"

/* NULL if the case has been marked and has to return. */
static CollapseKernel *
open_kernel(pid_t pid, int stop)
{
    g_autoptr(GError) error = NULL;
    CollapseKernel *kernel = collapse_kernel_open(pid, stop, &error);
    if (!kernel && g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") != 0) {
        g_test_skip(error->message);
        return NULL;
    }
    g_assert_no_error(error);
    return kernel;
}

/* Of each case its own, because a look is good for a while. */
static CollapseOutcome
classify(const uint8_t *at, int errnum)
{
    autofd never = eventfd(0, EFD_CLOEXEC);
    g_autoptr(CollapseKernel) kernel = open_kernel(getpid(), never);
    g_assert_nonnull(kernel);
    const CollapseSeam *seam = collapse_kernel_seam(kernel);
    return seam->classify(seam->data, (uintptr_t)at, errnum);
}

static bool
is_mapped(const uint8_t *at)
{
    autofd never = eventfd(0, EFD_CLOEXEC);
    g_autoptr(CollapseKernel) kernel = open_kernel(getpid(), never);
    g_assert_nonnull(kernel);
    const CollapseSeam *seam = collapse_kernel_seam(kernel);
    return seam->is_mapped(seam->data, (uintptr_t)at);
}

static bool
can_be(void)
{
    g_autoptr(CollapseKernel) kernel = open_kernel(getpid(), -1);
    return kernel != NULL;
}

/* The first whole extent of a room, mapped anew from FD, or anonymous (-1). */
static uint8_t *
map(int fd, off_t offset, int protection, int flags)
{
    uint8_t *room = mmap(NULL, 4 * EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(room != MAP_FAILED);
    uintptr_t first = range_units((uintptr_t)room, EXTENT_BYTES) * EXTENT_BYTES;
    uint8_t *at = mmap((void *)first, 2 * EXTENT_BYTES, protection,
                       flags | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
                       offset);
    g_assert_true(at != MAP_FAILED);
    return at;
}

static uint8_t *
map_ordinary(void)
{
    return map(-1, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int
memfd(void)
{
    int fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, 4 * (off_t)EXTENT_BYTES));
    g_assert_cmpint(pwrite(fd, "data", 4, 0), ==, 4);
    return fd;
}

static void
by_errno(void)
{
    if (!can_be()) {
        return;
    }
    uint8_t *at = map_ordinary();
    at[0] = 1;
    g_assert_cmpint(classify(at, EAGAIN), ==, COLLAPSE_OUTCOME_PINNED);
    g_assert_cmpint(classify(at, ENOMEM), ==, COLLAPSE_OUTCOME_NO_MEMORY);
    g_assert_cmpint(classify(at, EBUSY), ==, COLLAPSE_OUTCOME_CGROUP);
    g_assert_cmpint(classify(at, EINVAL), ==, COLLAPSE_OUTCOME_REFUSED);
    g_assert_cmpint(classify(at, ESRCH), ==, COLLAPSE_OUTCOME_GONE);
    g_assert_cmpint(classify(at + EXTENT_BYTES, EINVAL), ==,
                    COLLAPSE_OUTCOME_EMPTY);
    g_assert_true(is_mapped(at));
}

static void
by_what_is_there(void)
{
    if (!can_be()) {
        return;
    }
    uint8_t *away = map_ordinary(), *small = map_ordinary();
    g_assert_no_errno(munmap(away, EXTENT_BYTES));
    g_assert_cmpint(classify(away, ENOMEM), ==, COLLAPSE_OUTCOME_UNMAPPED);
    g_assert_false(is_mapped(away));
    g_assert_true(is_mapped(away + EXTENT_BYTES));
    g_assert_no_errno(madvise(small, EXTENT_BYTES, MADV_NOHUGEPAGE));
    g_assert_cmpint(classify(small, EINVAL), ==, COLLAPSE_OUTCOME_NOHUGEPAGE);
    g_assert_no_errno(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    g_assert_cmpint(classify(small, EINVAL), ==, COLLAPSE_OUTCOME_DISABLED);
    g_assert_no_errno(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
}

/* A back end may well map the guest's RAM without the right to write to it. */
static void
by_its_file(void)
{
    CollapseFacts facts;
    collapse_area_facts(getpid(), &facts);
    if (!can_be()) {
        return;
    }
    autofd fd = memfd();
    uint8_t *read_only = map(fd, 0, PROT_READ, MAP_SHARED);
    uint8_t *shifted = map(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    uint8_t *private = map(fd, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    g_assert_cmpint(*(volatile uint8_t *)read_only, ==, 'd');
    g_assert_cmpint(classify(private, EINVAL), ==,
                    COLLAPSE_OUTCOME_PRIVATE_FILE);
    if (facts.shmem_denied) {
        g_assert_cmpint(classify(read_only, EINVAL), ==,
                        COLLAPSE_OUTCOME_DENIED);
        return;
    }
    g_assert_cmpint(classify(read_only, EAGAIN), ==, COLLAPSE_OUTCOME_PINNED);
    g_assert_cmpint(classify(read_only, EINVAL), ==, COLLAPSE_OUTCOME_REFUSED);
    g_assert_cmpint(classify(shifted, EINVAL), ==,
                    COLLAPSE_OUTCOME_MISALIGNED);
}

static void
by_its_end(void)
{
    uint8_t *at = map_ordinary();
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    autofd stop = eventfd(0, EFD_CLOEXEC);
    g_autoptr(CollapseKernel) kernel = open_kernel(pid, stop);
    const CollapseSeam *seam = kernel ? collapse_kernel_seam(kernel) : NULL;
    if (kernel) {
        g_assert_cmpint(seam->rest(seam->data, 1), ==, COLLAPSE_REST_OVER);
        g_assert_true(seam->is_mapped(seam->data, (uintptr_t)at));
        g_assert_cmpint(seam->classify(seam->data, (uintptr_t)at, EAGAIN), ==,
                        COLLAPSE_OUTCOME_PINNED);
        g_assert_cmpuint(seam->margin_bytes(seam->data), >, 0);
    }
    g_assert_no_errno(kill(pid, SIGKILL));
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    if (kernel) {
        g_assert_cmpint(seam->rest(seam->data, UINT64_C(3600000000000)), ==,
                        COLLAPSE_REST_GONE);
        g_assert_cmpint(seam->classify(seam->data, (uintptr_t)at, EAGAIN), ==,
                        COLLAPSE_OUTCOME_GONE);
        uint64_t one = 1;
        g_assert_cmpint(write(stop, &one, sizeof one), ==, sizeof one);
        g_assert_cmpint(seam->rest(seam->data, 0), ==, COLLAPSE_REST_STOP);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-kernel/errno", by_errno);
    g_test_add_func("/collapse-kernel/mapping", by_what_is_there);
    g_test_add_func("/collapse-kernel/file", by_its_file);
    g_test_add_func("/collapse-kernel/end", by_its_end);
    return g_test_run();
}
