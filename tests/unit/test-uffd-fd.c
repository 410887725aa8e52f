/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The handshake, the registration and their error messages, on a userfaultfd
 * of our own; what the ioctls that place pages answer is in test-uffd-map.c
 * and tests/kernel/.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "uffd/uffd-fd.h"

#define BYTES (8 * PAGE_BYTES)

/* A descriptor, or -1 after noting why this test cannot run. */
static int
open_or_skip(void)
{
    g_autoptr(GError) error = NULL;
    int fd = uffd_fd_open(&error);
    if (fd < 0 && g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
        g_test_fail_printf("TESTS_MUST_RUN=1, but %s", error->message);
    } else if (fd < 0) {
        g_test_skip(error->message);
    }
    return fd;
}

static void *
map(int extra_flags)
{
    void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                    MAP_ANONYMOUS | extra_flags, -1, 0);
    g_assert_true(at != MAP_FAILED);
    return at;
}

static void
every_outcome_has_a_name(void)
{
    g_assert_cmpstr(uffd_outcome_name(UFFD_DONE), ==, "done");
    g_assert_cmpstr(uffd_outcome_name(UFFD_NO_RANGE), ==, "no-range");
    g_assert_cmpstr(uffd_outcome_name(UFFD_BROKEN), ==, "broken");
    g_assert_cmpstr(uffd_outcome_name((UffdOutcome)99), ==, "unknown");
}

static void
handshake_once_and_non_blocking(void)
{
    g_autoptr(GError) error = NULL;
    autofd uffd = open_or_skip();
    if (uffd < 0) {
        return;
    }
    g_assert_true(fd_set_nonblocking(uffd, false, NULL));
    uffd_fd_handshake(uffd, &error);
    g_assert_no_error(error);
    g_assert_true(fcntl(uffd, F_GETFL) & O_NONBLOCK);
    g_assert_false(uffd_fd_handshake(uffd, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, "in use already"));
}

static void
handshake_with_something_else(void)
{
    g_autoptr(GError) error = NULL;
    autofd null = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_assert_false(uffd_fd_handshake(null, &error));
    g_assert_nonnull(strstr(error->message, "UFFDIO_API"));
}

static void
register_shared_memory_only(void)
{
    g_autoptr(GError) error = NULL;
    autofd uffd = open_or_skip();
    if (uffd < 0) {
        return;
    }
    g_assert_true(uffd_fd_handshake(uffd, NULL));
    void *shared = map(MAP_SHARED), *private = map(MAP_PRIVATE);
    uffd_fd_register(uffd, (uintptr_t)shared, BYTES, &error);
    g_assert_no_error(error);
    g_assert_false(uffd_fd_register(uffd, (uintptr_t)private, BYTES, &error));
    g_assert_nonnull(strstr(error->message,
                            "must be a shared mapping of a tmpfs file"));
    g_clear_error(&error);
    uffd_fd_unregister(uffd, (uintptr_t)shared, BYTES, &error);
    g_assert_no_error(error);
    munmap(shared, BYTES);
    munmap(private, BYTES);
}

/* As when QEMU's own postcopy has taken the RAM. */
static void
register_what_another_one_holds(void)
{
    g_autoptr(GError) error = NULL;
    autofd first = open_or_skip();
    if (first < 0) {
        return;
    }
    autofd second = uffd_fd_open(&error);
    g_assert_no_error(error);
    g_assert_true(uffd_fd_handshake(first, NULL));
    g_assert_true(uffd_fd_handshake(second, NULL));
    void *shared = map(MAP_SHARED);
    g_assert_true(uffd_fd_register(first, (uintptr_t)shared, BYTES, NULL));
    g_assert_false(
        uffd_fd_register(second, (uintptr_t)shared, BYTES, &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_nonnull(strstr(error->message, "QEMU's own postcopy"));
    munmap(shared, BYTES);
}

static void
this_kernel_has_what_we_need(void)
{
    g_autoptr(GError) error = NULL;
    autofd uffd = open_or_skip();
    if (uffd >= 0) {
        uffd_fd_probe(&error);
        g_assert_no_error(error);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uffd-fd/names", every_outcome_has_a_name);
    g_test_add_func("/uffd-fd/handshake", handshake_once_and_non_blocking);
    g_test_add_func("/uffd-fd/handshake/no-uffd",
                    handshake_with_something_else);
    g_test_add_func("/uffd-fd/register", register_shared_memory_only);
    g_test_add_func("/uffd-fd/register/busy", register_what_another_one_holds);
    g_test_add_func("/uffd-fd/probe", this_kernel_has_what_we_need);
    return g_test_run();
}
