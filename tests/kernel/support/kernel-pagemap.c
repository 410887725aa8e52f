/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page tables as /proc shows them: see kernel-pagemap.h.
 */
#include "tests/kernel/support/kernel-pagemap.h"

#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"

#define FRAME_MASK ((UINT64_C(1) << 55) - 1)
#define KPF_THP_BIT 22

static uint64_t
word_at(const char *path, uint64_t index)
{
    autofd file = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_no_errno(file);
    uint64_t word = 0;
    g_assert_cmpint(pread(file, &word, sizeof word, (off_t)(index * 8)), ==,
                    sizeof word);
    return word;
}

uint64_t
kernel_pagemap_entry(pid_t pid, uint64_t hva)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)pid);
    return word_at(path, hva / PAGE_BYTES);
}

uint64_t
kernel_pagemap_frame(pid_t pid, uint64_t hva)
{
    uint64_t entry = kernel_pagemap_entry(pid, hva);
    return entry & KERNEL_PAGEMAP_PRESENT ? entry & FRAME_MASK : 0;
}

unsigned
kernel_pagemap_present(pid_t pid, uint64_t hva, unsigned n)
{
    unsigned present = 0;
    for (unsigned i = 0; i < n; i++) {
        present += kernel_pagemap_frame(pid, hva + i * PAGE_BYTES) != 0;
    }
    return present;
}

bool
kernel_pagemap_is_huge(pid_t pid, uint64_t hva)
{
    uint64_t frame = kernel_pagemap_frame(pid, hva);
    g_assert_cmpuint(frame, !=, 0);
    return word_at("/proc/kpageflags", frame) >> KPF_THP_BIT & 1;
}
