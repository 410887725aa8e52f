/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Zero pages and others: see zero-probe.h.
 */
#include "tests/support/zero-probe.h"

#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PRESENT (UINT64_C(1) << 63)
#define FRAME_MASK ((UINT64_C(1) << 55) - 1)
#define KPF_ZERO_PAGE_BIT 24

static uint64_t
word_at(const char *path, uint64_t index)
{
    autofd file = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t word = 0;
    g_assert_no_errno(file);
    g_assert_cmpint(pread(file, &word, sizeof word, (off_t)(index * 8)), ==,
                    sizeof word);
    return word;
}

uint64_t
zero_probe_entry(const void *hva)
{
    return word_at("/proc/self/pagemap", (uintptr_t)hva / PAGE_BYTES);
}

ZeroProbe
zero_probe_page(const void *hva)
{
    uint64_t entry = zero_probe_entry(hva);
    if (!(entry & PRESENT)) {
        return ZERO_PROBE_NOTHING;
    }
    if ((entry & FRAME_MASK) == 0) {
        return ZERO_PROBE_UNKNOWN;
    }
    uint64_t flags = word_at("/proc/kpageflags", entry & FRAME_MASK);
    return flags >> KPF_ZERO_PAGE_BIT & 1 ? ZERO_PROBE_ZERO : ZERO_PROBE_OWN;
}

unsigned
zero_probe_count_own(const uint8_t *hva, unsigned n)
{
    unsigned own = 0;
    for (unsigned i = 0; i < n; i++) {
        own += zero_probe_page(hva + i * PAGE_BYTES) == ZERO_PROBE_OWN;
    }
    return own;
}
