/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whose each RAM block is: what is refused, in words with a remedy that can be
 * done, and what QEMU carries itself. The monitor says it is QEMU 7.2.
 */
#include "migrate/check/migrate-blocks.h"

#include <string.h>
#include <unistd.h>

#include "base/proc-maps.h"
#include "migrate/core/migrate-findings.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/qmp-peer.h"

#define FILE_KIND (char *)"memory-backend-file"
#define MIB (UINT64_C(1) << 20)
#define BIOS                                                                   \
    {.name = (char *)"pc.bios", .bytes = 262144, .max_bytes = 262144}

/* Every mapping that the cases look at: 7f00 private, 7f10 and 7f20 shared. */
static const char maps[] =
    "7f0000000000-7f0000040000 rw-p 00000000 00:00 0 \n"
    "7f1000000000-7f1001000000 rw-s 00000000 00:1b 7  /dev/shm/other\n"
    "7f2000000000-7f2000040000 rw-s 00000000 00:0e 8  anon_inode:kvm-vcpu:0\n"
    "7f3000000000-7f3002000000 rw-s 00000000 00:1b 9  "
    "/dev/shm/qemu_back_mem.spare.abc (deleted)\n";

/* The finding number I of BLOCKS. */
static char *
judged(const QmpRamBlock *blocks, unsigned n, guint at)
{
    static const QmpPeerStep steps[] = {{QMP_PEER_GREET}, {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    g_autoptr(QmpClient) client =
        qmp_client_open(qmp_peer_path(peer), 20000, NULL);
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    g_autoptr(GArray) mappings = proc_maps_parse(maps);
    g_autoptr(GArray) all = g_array_new(false, true, sizeof(QmpRamBlock));
    g_array_append_vals(all, blocks, n);
    migrate_blocks_judge(client, all, mappings, findings);
    g_clear_pointer(&client, qmp_client_close);
    qmp_peer_stop(peer);
    g_assert_cmpuint(at, <, findings->len);
    const MigrateFinding *f = g_ptr_array_index(findings, at);
    g_test_message("%s; %s", f->what, f->remedy ? f->remedy : "");
    return g_strdup_printf("%d %s; %s", f->level, f->what,
                           f->remedy ? f->remedy : "");
}

static void
assert_block(QmpRamBlock block, MigrateCheckLevel level, const char *what,
             const char *remedy)
{
    block.bytes = block.max_bytes = 64 * MIB;
    g_autofree char *said = judged(&block, 1, 0);
    g_assert_cmpint(said[0] - '0', ==, level);
    g_assert_nonnull(strstr(said, what));
    g_assert_nonnull(strstr(said, remedy));
}

#define BLOCK(NAME, BACKEND, ...)                                              \
    (QmpRamBlock)                                                              \
    {                                                                          \
        .name = (char *)(NAME), .backend = (char *)(BACKEND), __VA_ARGS__      \
    }
#define AS_FILE(ID)                                                            \
    "-object memory-backend-file,id=" ID ",share=on,align=2M,"                 \
    "mem-path=/dev/shm,size=64M"

static void
the_machine(void)
{
    char *memfd = (char *)"memory-backend-memfd";
    char *plain = (char *)"memory-backend-ram";
    assert_block(BLOCK("m0", "m0", .kind = FILE_KIND, .share = true),
                 MIGRATE_CHECK_OK, "shared, 64 MiB", "");
    assert_block(BLOCK("m0", "m0", .kind = memfd, .share = true),
                 MIGRATE_CHECK_OK, "shared, 64 MiB", "");
    assert_block(BLOCK("pc.ram", "pc.ram", .kind = plain),
                 MIGRATE_CHECK_MISSING, "private memory of QEMU",
                 "restart the guest once with " AS_FILE("ram0")
                 " and -machine memory-backend=ram0");
    assert_block(BLOCK("m0", "m0", .kind = FILE_KIND), MIGRATE_CHECK_MISSING,
                 "private memory",
                 AS_FILE("m0") " in the place of "
                 "-object memory-backend-file,id=m0");
    assert_block(BLOCK("m0", "m0", .kind = plain, .share = true),
                 MIGRATE_CHECK_MISSING, "nameless memory", AS_FILE("m0"));
    assert_block(BLOCK("m0", "m0", .kind = FILE_KIND, .share = true,
                       .prealloc = true),
                 MIGRATE_CHECK_MISSING, "preallocated",
                 "prealloc=off for its memory backend 'm0'");
}

static void
devices(void)
{
    assert_block(BLOCK("d0", "d0", .kind = (char *)"memory-backend-ram",
                       .device = (char *)"pc-dimm",
                       .device_id = (char *)"dimm0"),
                 MIGRATE_CHECK_MISSING, "private memory",
                 "device_del dimm0), or give it " AS_FILE("d0"));
    assert_block(BLOCK("0000:00:01.0/v", "v", .kind = FILE_KIND, .share = true,
                       .device = (char *)"virtio-mem-pci"),
                 MIGRATE_CHECK_OK, "'0000:00:01.0/v'", "");
    assert_block(BLOCK("0000:00:01.0/v", "v", .kind = FILE_KIND, .share = true,
                       .device = (char *)"virtio-mem-pci",
                       .device_prealloc = true),
                 MIGRATE_CHECK_MISSING, "preallocated",
                 "prealloc=off for its -device virtio-mem-pci");
    assert_block(BLOCK("0000:00:01.0/i", "i", .kind = FILE_KIND, .share = true,
                       .device = (char *)"ivshmem-plain",
                       .device_id = (char *)"iv"),
                 MIGRATE_CHECK_MISSING, "ivshmem-plain 'iv' is shared with",
                 "device_del iv");
    assert_block(BLOCK("", "p", .kind = FILE_KIND, .share = true,
                       .device = (char *)"virtio-pmem-pci"),
                 MIGRATE_CHECK_MISSING, "not part of QEMU's migration",
                 "restart the guest once without it");
    assert_block(BLOCK("0000:00:01.0/n", "n", .kind = FILE_KIND, .share = true,
                       .device = (char *)"nvme", .device_id = (char *)"n0"),
                 MIGRATE_CHECK_MISSING, "does not know how", "device_del n0");
}

/* Who has no backend must be shown private: by its address, or, where QEMU
 * tells none, because nothing of its size is shared that is nobody's. */
static void
without_a_backend(void)
{
    QmpRamBlock blocks[] = {
        BLOCK("m0", "m0", .kind = FILE_KIND, .share = true, .bytes = MIB),
        BIOS};
    g_autofree char *carried = judged(blocks, 2, 1);
    g_assert_nonnull(strstr(carried, "1 other RAM blocks"));
    blocks[1].hva = 0x7f0000000000;
    g_autofree char *private = judged(blocks, 2, 1);
    g_assert_nonnull(strstr(private, "QEMU carries them"));
    blocks[1].hva = 0x7f1000000000;
    g_autofree char *shared = judged(blocks, 2, 1);
    g_assert_nonnull(strstr(shared, "2 RAM block 'pc.bios' is shared memory "
                                    "(/dev/shm/other)"));
    blocks[1].hva = 0;
    blocks[1].bytes = blocks[1].max_bytes = 16 * MIB;
    g_autofree char *maybe = judged(blocks, 2, 1);
    g_assert_nonnull(strstr(maybe, "may be shared memory (/dev/shm/other)"));
    blocks[1].max_bytes = 32 * MIB; /* a backend that nothing uses */
    g_autofree char *spare = judged(blocks, 2, 1);
    g_assert_nonnull(strstr(spare, "QEMU carries them"));
}

static void
nothing_at_all(void)
{
    QmpRamBlock bios = BIOS;
    g_autofree char *said = judged(&bios, 1, 0);
    g_assert_nonnull(strstr(said, "2 QEMU has no RAM block with a memory"));
    g_assert_nonnull(strstr(said, "size=262144 and -machine"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/blocks/machine", the_machine);
    g_test_add_func("/blocks/devices", devices);
    g_test_add_func("/blocks/without-a-backend", without_a_backend);
    g_test_add_func("/blocks/nothing", nothing_at_all);
    return g_test_run();
}
