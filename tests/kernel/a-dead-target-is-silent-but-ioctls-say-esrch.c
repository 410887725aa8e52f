/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When the target dies, its userfaultfd in our hands reports nothing: no
 * event, no hang-up, an empty read. Only an ioctl that needs the address space
 * tells. So whoever waits for events watches the pidfd beside it.
 */
#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
silent(void)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent events[UFFD_READER_BATCH];
    kernel_fixture_init_armed(&k, 1);
    kernel_fixture_trap(&k, 1);
    kernel_guest_stop(&k.guest);

    struct pollfd p = {.fd = k.uffd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, KERNEL_HANG_MS), ==, 0);
    g_assert_cmpint(uffd_reader_read(k.uffd, events), ==, 0);

    uint64_t hva = kernel_fixture_hva(&k, 1);
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_GONE);
    g_assert_cmpint(uffd_fd_zero(k.uffd, hva, PAGE_BYTES), ==, UFFD_GONE);
    g_assert_cmpint(uffd_fd_copy(k.uffd, hva, k.ours, PAGE_BYTES), ==,
                    UFFD_GONE);
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_GONE);
    /* Waking looks only at who waits: nobody. */
    g_assert_cmpint(uffd_fd_wake(k.uffd, hva, PAGE_BYTES), ==, UFFD_DONE);
}

static void
errors_say_that_qemu_has_exited(void)
{
    g_auto(KernelFixture) k = {0};
    g_autoptr(GError) error = NULL;
    kernel_fixture_init_armed(&k, 1);
    kernel_guest_stop(&k.guest);
    g_assert_false(uffd_fd_unregister(k.uffd, k.theirs, k.bytes, &error));
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_nonnull(strstr(error->message, "QEMU has exited"));
    g_clear_error(&error);
    g_assert_false(uffd_fd_register(k.uffd, k.theirs, k.bytes, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/dead/silent", silent);
    kernel_fixture_add("/kernel/dead/errors", errors_say_that_qemu_has_exited);
    return g_test_run();
}
