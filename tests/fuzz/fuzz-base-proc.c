/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/PID/maps, smaps and cgroup. The kernel writes them, but paths and
 * cgroup names in them are anybody's.
 */
#include <inttypes.h>
#include <string.h>

#include "base/proc-maps.h"
#include "tests/fuzz/fuzz-check.h"

/* Written as the kernel does (fs/proc/task_mmu.c), it is read the same. */
static void
assert_says_the_same(const ProcMapping *m)
{
    ProcMapping again;
    g_autofree char *line = g_strdup_printf(
        "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64
        " %s",
        m->start, m->end, m->readable ? 'r' : '-', m->writable ? 'w' : '-',
        m->executable ? 'x' : '-', m->shared ? 's' : 'p', m->offset,
        m->dev_major, m->dev_minor, m->inode, m->path);
    g_assert_true(proc_maps_parse_line(line, &again));
    g_assert_cmpuint(m->start, ==, again.start);
    g_assert_cmpuint(m->end, ==, again.end);
    g_assert_cmpuint(m->offset, ==, again.offset);
    g_assert_cmpuint(m->inode, ==, again.inode);
    g_assert_cmpuint(m->dev_major, ==, again.dev_major);
    g_assert_cmpuint(m->dev_minor, ==, again.dev_minor);
    g_assert_true(m->readable == again.readable &&
                  m->writable == again.writable &&
                  m->executable == again.executable &&
                  m->shared == again.shared);
    g_assert_cmpstr(m->path, ==, again.path);
    proc_mapping_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    g_autoptr(GArray) all = proc_maps_parse(text);
    for (guint i = 0; i < all->len; i++) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        g_assert_cmpuint(m->start, <, m->end);
        g_assert_cmpuint(strlen(m->vm_flags), <, sizeof m->vm_flags);
        g_assert_null(strchr(m->path, '\n'));
        (void)proc_mapping_has_flag(m, "nh");
        assert_says_the_same(m);
    }
    g_autofree char *v1 = proc_cgroup_parse(text, "memory");
    g_autofree char *v2 = proc_cgroup_parse(text, "");
    g_assert_true(!v1 || strstr(text, "memory"));
    g_assert_true(!v2 || strstr(text, "::"));
    return 0;
}
