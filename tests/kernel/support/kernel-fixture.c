/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scene of every belief: see kernel-fixture.h.
 */
#include "tests/kernel/support/kernel-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-compat.h"
#include "collapse/collapse-sweep.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef void (*Body)(void);

void
kernel_fixture_main(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
}

bool
kernel_fixture_need(bool met, const char *reason)
{
    if (!met && g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
        g_test_fail_printf("TESTS_MUST_RUN=1, but %s", reason);
    } else if (!met) {
        g_test_skip(reason);
    }
    return met;
}

static void
run_body(gconstpointer body)
{
    if (kernel_fixture_need(geteuid() == 0, "this test must run as root")) {
        (*(const Body *)body)();
    }
}

void
kernel_fixture_add(const char *path, void (*body)(void))
{
    Body *copy = g_new(Body, 1);
    *copy = body;
    g_test_add_data_func_full(path, copy, run_body, g_free);
}

/* Linux 6.1 collapses nothing (EINVAL) in a GiB of addresses in which no page
 * was ever mapped: a page beside the view, as a guest's other memory is. */
static void
use_page(uint64_t at)
{
    uint8_t *page =
        mmap((void *)(uintptr_t)at, PAGE_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    g_assert_true(page != MAP_FAILED);
    *(volatile uint8_t *)page = 1;
}

/* Address space for BYTES at a multiple of 2 MiB plus SHIFT. */
static uint8_t *
map_view(int file, uint64_t bytes, uint64_t shift)
{
    uint8_t *room = mmap(NULL, bytes + 4 * EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(room != MAP_FAILED);
    uint64_t at = range_round_down((uintptr_t)room + 2 * EXTENT_BYTES - 1,
                                   EXTENT_BYTES) + shift;
    uint8_t *view = mmap((void *)(uintptr_t)at, bytes, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED, file, 0);
    g_assert_true(view != MAP_FAILED);
    use_page(at - PAGE_BYTES);
    use_page(at + bytes);
    return view;
}

/* Both views exist before the fork; then each side drops the other's, so that
 * every later fault and every mapping is what its name says. */
void
kernel_fixture_init(KernelFixture *fixture, unsigned extents, uint64_t shift)
{
    *fixture = (KernelFixture){.uffd = -1, .guest_uffd = -1};
    fixture->bytes = extents * EXTENT_BYTES;
    fixture->file = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    g_assert_no_errno(fixture->file);
    g_assert_no_errno(ftruncate(fixture->file, (off_t)fixture->bytes));
    fixture->ours = map_view(fixture->file, fixture->bytes, 0);
    uint8_t *theirs = map_view(fixture->file, fixture->bytes, shift);
    fixture->theirs = (uintptr_t)theirs;
    kernel_guest_start(&fixture->guest);
    munmap(theirs, fixture->bytes);
    KernelGuestOrder drop_ours = {
        .verb = KERNEL_GUEST_SYSCALL,
        .nr = SYS_munmap,
        .a = {(uintptr_t)fixture->ours, fixture->bytes}};
    g_assert_cmpint(kernel_guest_ask(&fixture->guest, drop_ours), ==, 0);
}

/* The guest first: it may hang in a fault that nobody will answer. */
void
kernel_fixture_clear(KernelFixture *fixture)
{
    if (fixture->bytes == 0) {
        return; /* never set up: {0} */
    }
    kernel_guest_stop(&fixture->guest);
    fd_clear(&fixture->uffd);
    if (fixture->ours) {
        munmap(fixture->ours, fixture->bytes);
        fixture->ours = NULL;
    }
    fd_clear(&fixture->file);
}

int
kernel_fixture_copy_uffd(KernelFixture *fixture)
{
    int fd = (int)syscall(SYS_pidfd_getfd, fixture->guest.pidfd,
                          fixture->guest_uffd, 0);
    g_assert_no_errno(fd);
    return fd;
}

void
kernel_fixture_arm_with(KernelFixture *fixture, int flags, uint64_t modes,
                        uint64_t features)
{
    KernelGuestOrder make = {
        .verb = KERNEL_GUEST_SYSCALL,
        .nr = SYS_userfaultfd,
        .a = {(uint64_t)(O_CLOEXEC | O_NONBLOCK | flags)}};
    fixture->guest_uffd = (int)kernel_guest_ask(&fixture->guest, make);
    g_assert_cmpint(fixture->guest_uffd, >=, 0);
    fixture->uffd = kernel_fixture_copy_uffd(fixture);
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
                    UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS |
                    features,
    };
    g_assert_no_errno(ioctl(fixture->uffd, UFFDIO_API, &api));
    struct uffdio_register request = {
        .range = {.start = fixture->theirs, .len = fixture->bytes},
        .mode = modes,
    };
    g_assert_no_errno(ioctl(fixture->uffd, UFFDIO_REGISTER, &request));
}

void
kernel_fixture_arm(KernelFixture *fixture, uint64_t modes, uint64_t features)
{
    kernel_fixture_arm_with(fixture, 0, modes, features);
}

void
kernel_fixture_init_armed(KernelFixture *fixture, unsigned extents)
{
    kernel_fixture_init(fixture, extents, 0);
    kernel_fixture_arm(fixture, KERNEL_BOTH, 0);
}

bool
kernel_fixture_again(int errnum, uint64_t deadline_ns)
{
    bool again = (errnum == EAGAIN || errnum == ENOMEM) &&
                 fd_now_ns() < deadline_ns;
    if (again) {
        g_usleep(2000);
    }
    return again;
}

void
kernel_fixture_lay(KernelFixture *fixture, unsigned extent)
{
    uint8_t *at = fixture->ours + extent * EXTENT_BYTES;
    *(volatile uint8_t *)at = 0;
    uint64_t deadline = fd_deadline_ns(KERNEL_AGAIN_MS);
    int result;
    do {
        result = madvise(at, EXTENT_BYTES, MADV_COLLAPSE);
    } while (result < 0 && kernel_fixture_again(errno, deadline));
    g_assert_no_errno(result);
}

uint8_t
kernel_fixture_byte(uint64_t page)
{
    return (uint8_t)(1 + page % 251);
}

void
kernel_fixture_fill(KernelFixture *fixture, unsigned extent)
{
    uint64_t first = (uint64_t)extent * PAGES_PER_EXTENT;
    for (uint64_t page = first; page < first + PAGES_PER_EXTENT; page++) {
        fixture->ours[page * PAGE_BYTES] = kernel_fixture_byte(page);
    }
}

uint64_t
kernel_fixture_hva(const KernelFixture *fixture, uint64_t page)
{
    return fixture->theirs + page * PAGE_BYTES;
}

bool
kernel_fixture_event(KernelFixture *fixture, UffdEvent *event)
{
    struct pollfd p = {.fd = fixture->uffd, .events = POLLIN};
    UffdEvent events[UFFD_READER_BATCH];
    if (poll(&p, 1, 10000) <= 0) {
        return false;
    }
    int n = uffd_reader_read(fixture->uffd, events);
    g_assert_cmpint(n, <=, 1); /* the guest does one thing at a time */
    *event = events[0];
    return n == 1;
}

UffdEvent
kernel_fixture_trap(KernelFixture *fixture, uint64_t page)
{
    uint64_t hva = kernel_fixture_hva(fixture, page);
    UffdEvent event = {0};
    kernel_guest_order(&fixture->guest, (KernelGuestOrder){
                                            .verb = KERNEL_GUEST_READ,
                                            .a = {hva},
                                        });
    g_assert_true(kernel_fixture_event(fixture, &event));
    g_assert_cmpint(event.kind, ==, UFFD_EVENT_IS_FAULT);
    g_assert_cmphex(event.hva, ==, hva);
    g_assert_true(kernel_guest_hangs(&fixture->guest, KERNEL_HANG_MS));
    return event;
}

int
kernel_fixture_collapse(KernelFixture *fixture, unsigned extent)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CollapseTarget) target =
        collapse_target_open(fixture->guest.pid, &error);
    g_assert_no_error(error);
    uint64_t deadline = fd_deadline_ns(KERNEL_AGAIN_MS);
    int errnum;
    do {
        errnum = collapse_target_extent(
            target, fixture->theirs + extent * EXTENT_BYTES);
    } while (kernel_fixture_again(errnum, deadline));
    return errnum;
}

uint64_t
kernel_fixture_huge_bytes(KernelFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    CollapseCoverage coverage;
    collapse_account_range(fixture->guest.pid, fixture->theirs, fixture->bytes,
                           &coverage, &error);
    g_assert_no_error(error);
    return coverage.huge_bytes;
}
