/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stalls can be told apart by vCPU: with UFFD_FEATURE_THREAD_ID a fault names
 * the very thread that waits, not its process.
 */
#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
the_thread_and_not_the_process(void)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent event;
    kernel_fixture_init_armed(&k, 1);
    kernel_fixture_fill(&k, 0);
    kernel_guest_order(&k.guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_THREAD_READ,
        .a = {kernel_fixture_hva(&k, 1)}});
    g_assert_true(kernel_fixture_event(&k, &event));
    uffd_map_page(k.uffd, event.hva);
    int64_t answer = kernel_guest_answer(&k.guest);
    g_assert_cmpint(answer & 0xff, ==, kernel_fixture_byte(1));
    g_assert_cmpint(event.thread, ==, answer >> 8);
    g_assert_cmpint(event.thread, !=, k.guest.pid);

    event = kernel_fixture_trap(&k, 2);
    g_assert_cmpint(event.thread, ==, k.guest.pid);
    uffd_map_page(k.uffd, event.hva);
    kernel_guest_answer(&k.guest);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/thread-id", the_thread_and_not_the_process);
    return g_test_run();
}
