/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether both hosts mean the same RAM, and what of it holds data.
 */
#include "migrate/ram/migrate-ram.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"

#define MIB (UINT64_C(1) << 20)

static MigrateBlock blocks[2] = {
    {.name = (char *)"ram0", .bytes = 512 * MIB},
    {.name = (char *)"/objects/ram1", .bytes = 256 * MIB}};
static const MigrateRam ram = {.blocks = blocks, .n_blocks = 2};

static void
layout_of_ours(void)
{
    QmpIdentity identity = {
        .name = (char *)"web1",
        .uuid = (char *)"00112233-4455-6677-8899-aabbccddeeff"};
    g_auto(WireLayout) layout = {0};
    g_autoptr(GError) error = NULL;
    migrate_ram_to_layout(&ram, &identity, 4, &layout);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpuint(layout.uuid[i], ==, i * 0x11);
    }
    g_assert_cmpuint(layout.streams, ==, 4);
    g_assert_cmpstr(layout.name, ==, "web1");
    g_assert_true(migrate_ram_matches(&ram, &layout, &error));
    g_assert_no_error(error);
    g_auto(WireLayout) nameless = {0};
    QmpIdentity nobody = {0};
    migrate_ram_to_layout(&ram, &nobody, 0, &nameless);
    g_assert_true(migrate_ram_matches(&ram, &nameless, &error));
}

static void
assert_differs(const WireLayout *peer, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(migrate_ram_matches(&ram, peer, &error));
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, words));
}

static void
differences_are_named(void)
{
    WireLayoutBlock theirs[3] = {{512 * MIB, "ram0"},
                                 {256 * MIB, "/objects/ram1"},
                                 {MIB, "ram2"}};
    WireLayout peer = {.page_bytes = 4096, .n_blocks = 2, .blocks = theirs};
    g_assert_true(migrate_ram_matches(&ram, &peer, NULL));
    peer.page_bytes = 65536;
    assert_differs(&peer, "pages of 65536 bytes, the source's 4096");
    peer.page_bytes = 4096;
    peer.n_blocks = 3;
    assert_differs(&peer, "has 3 RAM blocks, the source 2");
    peer.n_blocks = 2;
    theirs[1].bytes += 4096;
    assert_differs(&peer, "RAM block 1 is '/objects/ram1' of 256 MiB");
    theirs[1].bytes = 128 * MIB;
    assert_differs(&peer, "of 128 MiB on the destination");
    theirs[1].bytes = 256 * MIB;
    g_strlcpy(theirs[0].name, "pc.ram", sizeof theirs[0].name);
    assert_differs(&peer, "'pc.ram'");
    g_assert_true(peer.n_blocks == 2);
}

/* A file whose data begin and end in the middle of extents, behind an
 * offset. */
static void
data_and_holes(void)
{
    autofd file = memfd_create("ram", MFD_CLOEXEC);
    uint64_t offset = 4 * EXTENT_BYTES;
    MigrateBlock block = {.name = (char *)"ram0", .file = file,
                          .file_offset = offset,
                          .bytes = 10 * EXTENT_BYTES + 5 * PAGE_BYTES};
    block.pages = block.bytes / PAGE_BYTES;
    block.extents = 11;
    g_assert_no_errno(ftruncate(file, (off_t)(offset + block.bytes +
                                              EXTENT_BYTES)));
    /* Before the block, in extents 2, 3 and 10, and behind the block. */
    static const uint64_t at[] = {4 * EXTENT_BYTES - PAGE_BYTES,
                                  6 * EXTENT_BYTES, 8 * EXTENT_BYTES - 1,
                                  14 * EXTENT_BYTES + 3 * PAGE_BYTES,
                                  14 * EXTENT_BYTES + 5 * PAGE_BYTES};
    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        g_assert_cmpint(pwrite(file, "x", 1, (off_t)at[i]), ==, 1);
    }
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *bitmap = migrate_ram_data_extents(&block, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(bitmap[0], ==, 1u << 2 | 1u << 3);
    g_assert_cmpuint(bitmap[1], ==, 1u << 2);
    g_assert_cmpuint(migrate_ram_extent_pages(&block, 9), ==, 512);
    g_assert_cmpuint(migrate_ram_extent_pages(&block, 10), ==, 5);
    block.file = -1;
    g_assert_null(migrate_ram_data_extents(&block, &error));
    g_assert_nonnull(strstr(error->message, "RAM block 'ram0'"));
}

static void
views_are_aligned(void)
{
    autofd file = memfd_create("ram", MFD_CLOEXEC);
    MigrateBlock block = {.name = (char *)"ram0", .file = file,
                          .file_offset = PAGE_BYTES,
                          .bytes = EXTENT_BYTES + PAGE_BYTES};
    MigrateRam one = {.blocks = &block, .n_blocks = 1};
    g_autoptr(GError) error = NULL;
    g_assert_no_errno(ftruncate(file, (off_t)(4 * EXTENT_BYTES)));
    migrate_ram_map(&one, true, &error);
    g_assert_no_error(error);
    g_assert_cmpuint((uintptr_t)block.view % EXTENT_BYTES, ==, 0);
    block.view[EXTENT_BYTES] = 7;
    char byte = 0;
    g_assert_cmpint(pread(file, &byte, 1,
                          (off_t)(EXTENT_BYTES + PAGE_BYTES)),
                    ==, 1);
    g_assert_cmpint(byte, ==, 7);
    migrate_ram_unmap(&one);
    g_assert_null(block.view);
    migrate_ram_unmap(&one);
    block.file = -1;
    g_assert_false(migrate_ram_map(&one, false, &error));
    g_assert_nonnull(strstr(error->message, "map RAM block 'ram0'"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram/layout", layout_of_ours);
    g_test_add_func("/ram/differences", differences_are_named);
    g_test_add_func("/ram/data", data_and_holes);
    g_test_add_func("/ram/views", views_are_aligned);
    return g_test_run();
}
