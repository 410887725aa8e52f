/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With UFFD_FEATURE_EVENT_REMOVE a discard by the target is announced and waits
 * until the announcement is read; meanwhile pages cannot be placed (EAGAIN). A
 * hole punched through the descriptor of the file is not announced at all.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/kernel/support/kernel-fixture.h"
#include "uffd/uffd-map.h"

static void
scene(KernelFixture *k)
{
    kernel_fixture_init(k, 1, 0);
    kernel_fixture_fill(k, 0);
    kernel_fixture_arm(k, KERNEL_BOTH, UFFD_FEATURE_EVENT_REMOVE);
}

static void
check_madvise(int advice)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent event;
    scene(&k);
    uint64_t hva = kernel_fixture_hva(&k, 40);
    kernel_guest_order(&k.guest, (KernelGuestOrder){
        .verb = KERNEL_GUEST_SYSCALL, .nr = SYS_madvise,
        .a = {hva, 2 * PAGE_BYTES, (uint64_t)advice}});
    struct pollfd announced = {.fd = k.uffd, .events = POLLIN};
    g_assert_cmpint(poll(&announced, 1, 10000), ==, 1);
    g_assert_true(kernel_guest_hangs(&k.guest, KERNEL_HANG_MS));
    /* uffd_map_page() gives up in bounded time: the thread that calls it may
     * be the one that has to read the event. */
    g_assert_cmpint(uffd_map_page(k.uffd, kernel_fixture_hva(&k, 1)), ==,
                    UFFD_AGAIN);
    g_assert_true(kernel_fixture_event(&k, &event));
    g_assert_cmpint(event.kind, ==, UFFD_EVENT_IS_REMOVE);
    g_assert_cmphex(event.hva, ==, hva);
    g_assert_cmpuint(event.bytes, ==, 2 * PAGE_BYTES);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==, 0);
    g_assert_cmpint(uffd_map_page(k.uffd, kernel_fixture_hva(&k, 1)), ==,
                    UFFD_DONE);
    /* What MADV_REMOVE took is a hole; what DONTNEED dropped is still there. */
    event = kernel_fixture_trap(&k, 40);
    g_assert_cmpint(event.minor, ==, advice == MADV_DONTNEED);
    g_assert_cmpint(uffd_map_page(k.uffd, hva), ==, UFFD_DONE);
    g_assert_cmpint(kernel_guest_answer(&k.guest), ==,
                    advice == MADV_DONTNEED ? kernel_fixture_byte(40) : 0);
}

static void
on_dontneed(void)
{
    check_madvise(MADV_DONTNEED);
}

static void
on_remove(void)
{
    check_madvise(MADV_REMOVE);
}

static void
not_on_punch_hole(void)
{
    g_auto(KernelFixture) k = {0};
    UffdEvent events[UFFD_READER_BATCH];
    scene(&k);
    KernelGuestOrder punch = {
        .verb = KERNEL_GUEST_SYSCALL, .nr = SYS_fallocate,
        .a = {(uint64_t)k.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              40 * PAGE_BYTES, PAGE_BYTES}};
    g_assert_cmpint(kernel_guest_ask(&k.guest, punch), ==, 0);
    g_assert_cmpint(uffd_reader_read(k.uffd, events), ==, 0);
    g_assert_false(kernel_fixture_trap(&k, 40).minor);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/remove/dontneed", on_dontneed);
    kernel_fixture_add("/kernel/remove/remove", on_remove);
    kernel_fixture_add("/kernel/remove/punch-hole", not_on_punch_hole);
    return g_test_run();
}
