/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Why EEXIST is answered with UFFDIO_WAKE: another thread of ours may have
 * mapped the page without waking (or a collapse did), and the CONTINUE that
 * finds it mapped leaves the waiter where it is.
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

/* Maps HVA without waking anybody: the state in which a race leaves us. */
static void
map_silently(KernelFixture *k, uint64_t hva)
{
    struct uffdio_continue request = {
        .range = {.start = hva, .len = PAGE_BYTES},
        .mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
    };
    g_assert_no_errno(ioctl(k->uffd, UFFDIO_CONTINUE, &request));
}

static uint64_t
hang_on_a_mapped_page(KernelFixture *k)
{
    kernel_fixture_init_armed(k, 1);
    kernel_fixture_fill(k, 0);
    uint64_t hva = kernel_fixture_trap(k, 8).hva;
    map_silently(k, hva);
    return hva;
}

static void
eexist_does_not_wake(void)
{
    g_auto(KernelFixture) k = {0};
    uint64_t hva = hang_on_a_mapped_page(&k);
    g_assert_cmpint(uffd_fd_continue(k.uffd, hva, PAGE_BYTES, NULL), ==,
                    UFFD_EXISTS);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    g_assert_cmpint(uffd_fd_wake(k.uffd, hva, PAGE_BYTES), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(8));
}

static void
uffd_map_page_does(void)
{
    g_auto(KernelFixture) k = {0};
    uint64_t hva = hang_on_a_mapped_page(&k);
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, kernel_fixture_byte(8));
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/eexist/no-wake", eexist_does_not_wake);
    kernel_fixture_add("/kernel/eexist/map-page-wakes", uffd_map_page_does);
    return g_test_run();
}
