/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One function per userfaultfd ioctl: see uffd-fd.h. What an errno means for
 * the ones that place pages is written down once, in outcome_of_errno().
 */
#include "uffd/uffd-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "uffd/uffd-compat.h"

static const char *const outcome_names[] = {
    [UFFD_DONE] = "done",         [UFFD_EXISTS] = "exists",
    [UFFD_NO_PAGE] = "no-page",   [UFFD_AGAIN] = "again",
    [UFFD_NO_ROOM] = "no-room",   [UFFD_GONE] = "gone",
    [UFFD_NO_RANGE] = "no-range", [UFFD_BROKEN] = "broken",
};
G_STATIC_ASSERT(G_N_ELEMENTS(outcome_names) == UFFD_BROKEN + 1);

/* What we cannot live without, and who has it. */
static const struct {
    uint64_t feature;
    const char *name;
    const char *since;
} features[] = {
    {UFFD_FEATURE_MISSING_SHMEM, "MISSING_SHMEM", "4.11"},
    {UFFD_FEATURE_EVENT_REMOVE, "EVENT_REMOVE", "4.11"},
    {UFFD_FEATURE_THREAD_ID, "THREAD_ID", "4.14"},
    {UFFD_FEATURE_MINOR_SHMEM, "MINOR_SHMEM", "5.14"},
    {UFFD_FEATURE_EXACT_ADDRESS, "EXACT_ADDRESS", "5.18"},
};

/* Bits of uffdio_register.ioctls that rule 2 and uffd_map_page() stand on. */
#define NEEDED_IOCTLS                                                          \
    (UINT64_C(1) << _UFFDIO_WAKE | UINT64_C(1) << _UFFDIO_COPY |               \
     UINT64_C(1) << _UFFDIO_ZEROPAGE | UINT64_C(1) << _UFFDIO_CONTINUE)

const char *
uffd_outcome_name(UffdOutcome outcome)
{
    return outcome < G_N_ELEMENTS(outcome_names) ? outcome_names[outcome]
                                                 : "unknown";
}

/* The errno values of mfill_atomic() and its callers, Linux 5.14 to 6.18. */
static UffdOutcome
outcome_of_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return UFFD_DONE;
    case EEXIST:
        return UFFD_EXISTS;
    case EFAULT:
        return UFFD_NO_PAGE;
    case EAGAIN:
    case EINTR:
        return UFFD_AGAIN;
    case ENOMEM:
    case ENOSPC:
        return UFFD_NO_ROOM;
    case ESRCH:
        return UFFD_GONE;
    case ENOENT:
    case EINVAL:
        return UFFD_NO_RANGE;
    default:
        return UFFD_BROKEN;
    }
}

static uint64_t
wanted_features(void)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        all |= features[i].feature;
    }
    return all;
}

int
uffd_fd_open(GError **error)
{
    int flags = O_CLOEXEC | O_NONBLOCK;
    int fd = (int)syscall(SYS_userfaultfd, flags);
    if (fd < 0 && errno == EPERM) {
        autofd device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
        fd = device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, flags);
    }
    if (fd < 0) {
        /* Enough to probe the kernel with; never for a guest, whose faults
         * come from the kernel. */
        fd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
    }
    if (fd < 0 && errno == ENOSYS) {
        error_set(error, ERROR_UNSUPPORTED,
                  "this kernel is built without userfaultfd: it needs "
                  "CONFIG_USERFAULTFD=y");
    } else if (fd < 0) {
        error_set_errno(error, errno, "cannot open a userfaultfd");
    }
    return fd;
}

/* The features this kernel offers, from a descriptor of our own; 0 if it
 * could not be asked. */
static uint64_t
offered_features(void)
{
    autofd scratch = uffd_fd_open(NULL);
    struct uffdio_api api = {.api = UFFD_API};
    return scratch >= 0 && ioctl(scratch, UFFDIO_API, &api) == 0
               ? api.features
               : 0;
}

/* Says why UFFDIO_API refused with ERRNUM. The kernel answers EINVAL both for
 * a feature it does not know and for a second call, so ask it elsewhere: the
 * descriptor in hand has had its one chance. */
static bool
explain_handshake(int errnum, GError **error)
{
    uint64_t offered = errnum == EINVAL ? offered_features() : 0;
    for (unsigned i = 0; offered && i < G_N_ELEMENTS(features); i++) {
        if (!(offered & features[i].feature)) {
            return error_set(error, ERROR_UNSUPPORTED,
                             "this kernel's userfaultfd lacks %s: it needs "
                             "Linux %s or newer, built with "
                             "CONFIG_USERFAULTFD and CONFIG_SHMEM",
                             features[i].name, features[i].since);
        }
    }
    if (offered) {
        return error_set(error, ERROR_STATE,
                         "this userfaultfd is in use already: its features "
                         "were agreed before and cannot be changed");
    }
    return error_set_errno(error, errnum,
                           "cannot agree on features with userfaultfd "
                           "(UFFDIO_API)");
}

bool
uffd_fd_handshake(int uffd, GError **error)
{
    /* poll() on a blocking userfaultfd says POLLERR, and a reader would hang
     * (fs/userfaultfd.c, userfaultfd_poll). The flag belongs to the open file,
     * so it also holds for the copy inside the target, which never reads. */
    if (!fd_set_nonblocking(uffd, true, error)) {
        return false;
    }
    struct uffdio_api api = {.api = UFFD_API, .features = wanted_features()};
    if (ioctl(uffd, UFFDIO_API, &api) == 0) {
        return true;
    }
    return explain_handshake(errno, error);
}

static const char *
register_remedy(int errnum)
{
    switch (errnum) {
    case EBUSY:
        return " (another userfaultfd holds it: is QEMU's own postcopy or "
               "background snapshot active?)";
    case EINVAL:
        return " (guest RAM must be a shared mapping of a tmpfs file or "
               "memfd, and be mapped as a whole)";
    case EPERM:
        return " (the RAM file is mapped without permission to write)";
    default:
        return "";
    }
}

/* REGISTER and UNREGISTER say ENOMEM both for want of memory and for a target
 * that is no more; only the placing calls say ESRCH. So try to place a page
 * where none can be: nothing is ever mapped that low, and if it were it would
 * not be registered. */
static bool
target_is_gone(int uffd)
{
    return uffd_fd_continue(uffd, UINT64_C(1) << 16, PAGE_BYTES, NULL) ==
           UFFD_GONE;
}

static bool
explain_range(int uffd, int errnum, const char *verb, uint64_t hva,
              uint64_t bytes, GError **error)
{
    if (errnum == ENOMEM && target_is_gone(uffd)) {
        return error_set(error, ERROR_VM_GONE,
                         "cannot %s guest RAM at %#" PRIx64 " with "
                         "userfaultfd: QEMU has exited", verb, hva);
    }
    return error_set_errno(error, errnum,
                           "cannot %s %" PRIu64 " bytes of guest RAM at %#"
                           PRIx64 " with userfaultfd%s", verb, bytes, hva,
                           register_remedy(errnum));
}

bool
uffd_fd_register(int uffd, uint64_t hva, uint64_t bytes, GError **error)
{
    struct uffdio_register request = {
        .range = {.start = hva, .len = bytes},
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
    };
    if (ioctl(uffd, UFFDIO_REGISTER, &request) < 0) {
        return explain_range(uffd, errno, "register", hva, bytes, error);
    }
    if ((request.ioctls & NEEDED_IOCTLS) != NEEDED_IOCTLS) {
        uffd_fd_unregister(uffd, hva, bytes, NULL);
        return error_set(error, ERROR_UNSUPPORTED,
                         "userfaultfd cannot place pages at %#" PRIx64
                         ": guest RAM must be on tmpfs or memfd with 4 KiB "
                         "pages", hva);
    }
    return true;
}

bool
uffd_fd_unregister(int uffd, uint64_t hva, uint64_t bytes, GError **error)
{
    struct uffdio_range range = {.start = hva, .len = bytes};
    return ioctl(uffd, UFFDIO_UNREGISTER, &range) == 0 ||
           explain_range(uffd, errno, "unregister", hva, bytes, error);
}

/* How far a placing ioctl came. The kernel writes bytes done or a negative
 * errno there, and says EAGAIN for "stopped half-way, the reason is in the
 * next call". Before 6.15 it left the field untouched when the mappings were
 * changing: start it at 0. */
static uint64_t
fd_progress(int64_t field)
{
    return field > 0 ? (uint64_t)field : 0;
}

/* One placing ioctl on [HVA, HVA + BYTES); adds to *DONE what it did. */
typedef int (*PlaceOnce)(int uffd, uint64_t hva, uint64_t bytes,
                         const void *source, uint64_t *done);

static int
continue_once(int uffd, uint64_t hva, uint64_t bytes, const void *source,
              uint64_t *done)
{
    struct uffdio_continue request = {.range = {.start = hva, .len = bytes}};
    int result = ioctl(uffd, UFFDIO_CONTINUE, &request);
    *done = fd_progress(request.mapped);
    return result;
}

static int
zero_once(int uffd, uint64_t hva, uint64_t bytes, const void *source,
          uint64_t *done)
{
    struct uffdio_zeropage request = {.range = {.start = hva, .len = bytes}};
    int result = ioctl(uffd, UFFDIO_ZEROPAGE, &request);
    *done = fd_progress(request.zeropage);
    return result;
}

static int
copy_once(int uffd, uint64_t hva, uint64_t bytes, const void *source,
          uint64_t *done)
{
    struct uffdio_copy request = {
        .dst = hva, .src = (uintptr_t)source, .len = bytes};
    int result = ioctl(uffd, UFFDIO_COPY, &request);
    *done = fd_progress(request.copy);
    return result;
}

/* Goes on after every page that could be placed, until all are or one says
 * why not. Ends: each round but the last places at least one page. */
static UffdOutcome
fd_place(PlaceOnce once, int uffd, uint64_t hva, const void *source,
         uint64_t bytes, uint64_t *done_bytes)
{
    uint64_t total = 0;
    int errnum = 0;
    while (total < bytes) {
        const uint8_t *from = source;
        uint64_t done = 0;
        int result = once(uffd, hva + total, bytes - total,
                          from ? from + total : NULL, &done);
        if (done == 0) {
            /* Success without progress: the kernel never does that. Do not
             * let it hang the fault thread if one ever should. */
            errnum = result < 0 ? errno : EIO;
            break;
        }
        total += done;
    }
    if (done_bytes) {
        *done_bytes = total;
    }
    return outcome_of_errno(errnum);
}

UffdOutcome
uffd_fd_continue(int uffd, uint64_t hva, uint64_t bytes, uint64_t *done_bytes)
{
    return fd_place(continue_once, uffd, hva, NULL, bytes, done_bytes);
}

UffdOutcome
uffd_fd_zero(int uffd, uint64_t hva, uint64_t bytes)
{
    return fd_place(zero_once, uffd, hva, NULL, bytes, NULL);
}

UffdOutcome
uffd_fd_copy(int uffd, uint64_t hva, const void *source, uint64_t bytes)
{
    return fd_place(copy_once, uffd, hva, source, bytes, NULL);
}

UffdOutcome
uffd_fd_wake(int uffd, uint64_t hva, uint64_t bytes)
{
    struct uffdio_range range = {.start = hva, .len = bytes};
    return outcome_of_errno(ioctl(uffd, UFFDIO_WAKE, &range) < 0 ? errno : 0);
}

/* Two views of one page: written through the first, mapped into the second by
 * CONTINUE, read back. Nothing waits: a page that CONTINUE did not map is not
 * read. */
static bool
probe_views(int uffd, uint8_t *write_view, uint8_t *guest_view, GError **error)
{
    *write_view = 0x5a;
    if (!uffd_fd_register(uffd, (uintptr_t)guest_view, PAGE_BYTES, error)) {
        return false;
    }
    UffdOutcome outcome =
        uffd_fd_continue(uffd, (uintptr_t)guest_view, PAGE_BYTES, NULL);
    if (outcome != UFFD_DONE || *guest_view != 0x5a) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "userfaultfd does not map shared memory as it "
                         "should on this kernel (UFFDIO_CONTINUE: %s): it "
                         "needs Linux 5.18 or newer",
                         uffd_outcome_name(outcome));
    }
    return true;
}

static bool
probe_on(int uffd, int file, GError **error)
{
    uint8_t *views[2];
    for (int i = 0; i < 2; i++) {
        views[i] = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                        file, 0);
        if (views[i] == MAP_FAILED) {
            int errnum = errno;
            if (i == 1) {
                munmap(views[0], PAGE_BYTES);
            }
            return error_set_errno(error, errnum, "mmap of a scratch page");
        }
    }
    bool ok = probe_views(uffd, views[0], views[1], error);
    munmap(views[0], PAGE_BYTES);
    munmap(views[1], PAGE_BYTES);
    return ok;
}

bool
uffd_fd_probe(GError **error)
{
    autofd uffd = uffd_fd_open(error);
    if (uffd < 0 || !uffd_fd_handshake(uffd, error)) {
        return false;
    }
    autofd file = memfd_create("postlude-probe", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, (off_t)PAGE_BYTES) < 0) {
        return error_set_errno(error, errno,
                               "cannot make a scratch page in shared memory");
    }
    return probe_on(uffd, file, error);
}
