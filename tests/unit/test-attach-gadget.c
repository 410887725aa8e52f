/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C library of this very process has both gadgets, and they are code.
 */
#include "attach/attach-gadget.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/proc-maps.h"

static const ProcMapping *
mapping_of(const GArray *maps, uint64_t hva)
{
    for (guint i = 0; i < maps->len; i++) {
        const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
        if (hva >= m->start && hva < m->end) {
            return m;
        }
    }
    return NULL;
}

static void
test_find(void)
{
    AttachGadgets found;
    g_autoptr(GError) error = NULL;
    /* Bait: the same bytes in anonymous memory, which may go away. */
    uint8_t *bait = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(bait != MAP_FAILED);
    memcpy(bait, "\x0f\x05\xc3\xb8\x0f\x00\x00\x00\x0f\x05", 10);
    attach_gadget_find(getpid(), &found, &error);
    g_assert_no_error(error);
    g_assert_cmpint(memcmp((void *)found.call, "\x0f\x05\xc3", 3), ==, 0);
    g_assert_nonnull(memmem((void *)found.sigreturn, 9, "\x0f\x05", 2));
    g_autoptr(GArray) maps = proc_maps_read(getpid(), false, &error);
    const uint64_t both[] = {found.call, found.sigreturn};
    for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
        const ProcMapping *m = mapping_of(maps, both[i]);
        g_assert_nonnull(m);
        g_assert_true(m->executable && !m->writable && m->inode != 0);
    }
    munmap(bait, 4096);
}

static void
test_peek(void)
{
    uint32_t there = 0x12345678, copy = 0;
    g_assert_true(attach_gadget_peek(getpid(), (uintptr_t)&there, &copy, 4));
    g_assert_cmphex(copy, ==, there);
    g_assert_false(attach_gadget_peek(getpid(), 8, &copy, 4));
}

static void
test_gone(void)
{
    AttachGadgets found;
    g_autoptr(GError) error = NULL;
    g_assert_false(attach_gadget_find(-1, &found, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/gadget/find", test_find);
    g_test_add_func("/attach/gadget/peek", test_peek);
    g_test_add_func("/attach/gadget/gone", test_gone);
    return g_test_run();
}
