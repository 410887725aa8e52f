/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * struct uffd_msg to UffdEvent: see uffd-reader.h. Format: userfaultfd(2),
 * "Reading from the userfaultfd". On the fault thread; no allocation.
 */
#include "uffd/uffd-reader.h"

#include <errno.h>
#include <unistd.h>

#include "base/range.h"
#include "uffd/uffd-compat.h"

/* With EXACT_ADDRESS the kernel hands out the very byte; pages are mapped. */
static UffdEvent
decode_fault(const struct uffd_msg *message)
{
    uint64_t flags = message->arg.pagefault.flags;
    return (UffdEvent){
        .kind = UFFD_EVENT_IS_FAULT,
        .minor = flags & UFFD_PAGEFAULT_FLAG_MINOR,
        .write = flags & UFFD_PAGEFAULT_FLAG_WRITE,
        .thread = message->arg.pagefault.feat.ptid,
        .hva = range_round_down(message->arg.pagefault.address, PAGE_BYTES),
        .bytes = PAGE_BYTES,
    };
}

static UffdEvent
decode_range(UffdEventKind kind, uint64_t start, uint64_t end)
{
    return (UffdEvent){.kind = kind,
                       .hva = start,
                       .bytes = end > start ? end - start : 0};
}

static UffdEvent
reader_decode(const struct uffd_msg *message)
{
    switch (message->event) {
    case UFFD_EVENT_PAGEFAULT:
        return decode_fault(message);
    case UFFD_EVENT_REMOVE:
        return decode_range(UFFD_EVENT_IS_REMOVE, message->arg.remove.start,
                            message->arg.remove.end);
    default:
        return (UffdEvent){.kind = UFFD_EVENT_IS_OTHER};
    }
}

int
uffd_reader_read(int uffd, UffdEvent events[UFFD_READER_BATCH])
{
    struct uffd_msg messages[UFFD_READER_BATCH];
    ssize_t n;
    do {
        n = read(uffd, messages, sizeof messages);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -1;
    }
    if (n == 0 || (size_t)n % sizeof messages[0] != 0) {
        errno = EIO; /* the kernel hands out whole messages or none */
        return -1;
    }
    int count = (int)((size_t)n / sizeof messages[0]);
    for (int i = 0; i < count; i++) {
        events[i] = reader_decode(&messages[i]);
    }
    return count;
}
