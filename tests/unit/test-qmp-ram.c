/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of RAM blocks as QEMU 7.2 and 10.0 print it, and the join with
 * the memory backends.
 */
#include <string.h>

#include "base/error.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/qmp-peer.h"

#define HEAD \
    "              Block Name    PSize              Offset               Used" \
    "              Total"
#define HEAD_10 HEAD "                HVA  RO\n"

/* QEMU 7.2: a backend in use, one that nothing uses, a name wider than its
 * column, video RAM, a ROM smaller than its maximum. */
static const char table_7[] = HEAD "\n"
    "                    ram0    4 KiB  0x0000000000000000 0x0000000008000000"
    " 0x0000000008000000\n"
    "                            4 KiB  0x0000000010340000 0x0000000008000000"
    " 0x0000000008000000\n"
    "0000:00:02.0/virtio-net-pci.rom    4 KiB  0x0000000010080000"
    " 0x0000000000040000 0x0000000000040000\n"
    "   0000:00:02.0/vga.vram    4 KiB  0x0000000010080000 0x0000000001000000"
    " 0x0000000001000000\n"
    "    /rom@etc/acpi/tables    4 KiB  0x00000000100c0000 0x0000000000020000"
    " 0x0000000000200000\n";

/* QEMU 10.0, with hugetlbfs pages and a ROM called after its file. */
static const char table_10[] = HEAD_10
    "          /objects/plram    2 MiB  0x0000000000000000 0x0000000004000000"
    " 0x0000000004000000 0x00007fa8dfe00000  rw\n"
    " /rom@genroms/my rom.bin    4 KiB  0x0000000004080000 0x0000000000020000"
    " 0x0000000000200000 0x00007fa929e00000  ro\n";

static const QmpRamBlock *
block(const GArray *blocks, guint i)
{
    return &g_array_index(blocks, QmpRamBlock, i);
}

static void
test_table_of_7(void)
{
    g_autoptr(GArray) blocks = qmp_qemu_parse_ram_blocks(table_7);
    g_assert_nonnull(blocks);
    g_assert_cmpuint(blocks->len, ==, 4);
    g_assert_cmpstr(block(blocks, 0)->name, ==, "ram0");
    g_assert_cmpuint(block(blocks, 0)->bytes, ==, 128u << 20);
    g_assert_cmpuint(block(blocks, 0)->hva, ==, 0);
    g_assert_cmpstr(block(blocks, 1)->name, ==,
                    "0000:00:02.0/virtio-net-pci.rom");
    g_assert_cmpstr(block(blocks, 2)->name, ==, "0000:00:02.0/vga.vram");
    /* Used, not the maximum. */
    g_assert_cmpstr(block(blocks, 3)->name, ==, "/rom@etc/acpi/tables");
    g_assert_cmpuint(block(blocks, 3)->bytes, ==, 0x20000);
}

static void
test_table_of_10(void)
{
    g_autoptr(GArray) blocks = qmp_qemu_parse_ram_blocks(table_10);
    g_assert_nonnull(blocks);
    g_assert_cmpuint(blocks->len, ==, 2);
    g_assert_cmpstr(block(blocks, 0)->name, ==, "/objects/plram");
    g_assert_cmpuint(block(blocks, 0)->hva, ==, 0x7fa8dfe00000);
    g_assert_cmpstr(block(blocks, 1)->name, ==, "/rom@genroms/my rom.bin");
    g_assert_cmpuint(block(blocks, 1)->hva, ==, 0x7fa929e00000);
}

static void
test_a_line_not_understood_fails_the_whole(void)
{
    static const char *const bad[] = {
        "",
        "\n",
        "no table at all\n",
        HEAD "\nram0\n",
        HEAD "\n ram0 4 KiB 0x0 0x1000\n",
        HEAD "\n ram0 4 KiB 0x0 1000 0x1000\n",
        HEAD "\n ram0 4 KiB 0x0 0x 0x1000\n",
        HEAD "\n ram0 4 KiB 0x0 0x1g 0x1000\n",
        HEAD "\n ram0 4 KiB 0x0 0x11111111111111111 0x1000\n",
        HEAD "\n ram0 four KiB 0x0 0x1000 0x1000\n",
        HEAD "\n ram0 4 pages 0x0 0x1000 0x1000\n",
        HEAD_10 " ram0 4 KiB 0x0 0x1000 0x1000 7f00 rw\n",
        HEAD_10 " ram0 4 KiB 0x0 0x1000 0x1000 0x7f00 rw new\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("'%s'", bad[i]);
        g_assert_null(qmp_qemu_parse_ram_blocks(bad[i]));
    }
    g_autoptr(GArray) none = qmp_qemu_parse_ram_blocks(HEAD "\n");
    g_assert_nonnull(none);
    g_assert_cmpuint(none->len, ==, 0);
}

/* Runs qmp_qemu_ram_blocks() against STEPS. */
static GArray *
query(const QmpPeerStep *steps, GError **error)
{
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), 20000, error);
    g_assert_nonnull(client);
    GArray *blocks = qmp_qemu_ram_blocks(client, error);
    qmp_client_close(client);
    qmp_peer_stop(peer);
    return blocks;
}

#define JSON_TABLE(lines) "{\"human-readable-text\": \"" HEAD "\\n" lines "\"}"
#define LINE(name) \
    " " name "  4 KiB  0x0000000000000000 0x0000000008000000 " \
    "0x0000000008000000\\n"

/* Asked for when a backend is private, or no block is called after it. */
#define NO_DEVICES                                                             \
    {QMP_PEER_HEAR, "{\"path\":\"/machine/peripheral\"}"},                       \
        {QMP_PEER_ANSWER, "[]"},                                               \
        {QMP_PEER_HEAR, "{\"path\":\"/machine/peripheral-anon\"}"},              \
        {QMP_PEER_ANSWER, "[]"}
#define IS(PROPERTY, VALUE)                                                    \
    {QMP_PEER_HEAR, "\"" PROPERTY "\"", NULL}, {QMP_PEER_ANSWER, VALUE, NULL}
#define FILE_PROPERTIES                                                        \
    IS("share", "true"), IS("prealloc", "false"),                              \
        IS("mem-path", "\"/dev/shm\""), IS("align", "2097152")
#define OBJECT(NAME)                                                           \
    "{\"name\": \"" NAME "\", \"type\": \"child<memory-backend-file>\"}"

static void
test_blocks_are_joined_with_their_backends(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_ANSWER,
         JSON_TABLE(LINE("/objects/ram0") LINE("epc") LINE("vga.vram"))},
        {QMP_PEER_HEAR, "{\"path\":\"/objects\"}"},
        {QMP_PEER_ANSWER,
         "[{\"name\": \"type\", \"type\": \"string\"},"
         " {\"name\": \"vga.vram\", \"type\": \"child<rng-random>\"},"
         " {\"name\": \"epc\", \"type\": \"child<memory-backend-epc>\"},"
         " {\"name\": \"ram0\", \"type\": \"child<memory-backend-file>\"}]"},
        {QMP_PEER_HEAR, "{\"path\":\"/objects/ram0\",\"property\":\"share\"}"},
        {QMP_PEER_ANSWER, "true"},
        {QMP_PEER_HEAR, "\"prealloc\""},
        {QMP_PEER_ANSWER, "true"},
        {QMP_PEER_HEAR, "\"mem-path\""},
        {QMP_PEER_ANSWER, "\"/dev/shm\""},
        {QMP_PEER_HEAR, "\"align\""},
        {QMP_PEER_ANSWER, "2097152"},
        {QMP_PEER_HEAR, "{\"path\":\"/objects/epc\",\"property\":\"share\"}"},
        {QMP_PEER_ANSWER, "false"},
        {QMP_PEER_HEAR, "\"prealloc\""},
        {QMP_PEER_ANSWER, "false"},
        NO_DEVICES,
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) blocks = query(steps, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(blocks->len, ==, 3);
    g_assert_cmpstr(block(blocks, 0)->name, ==, "/objects/ram0");
    g_assert_cmpstr(block(blocks, 0)->backend, ==, "ram0");
    g_assert_cmpstr(block(blocks, 0)->kind, ==, "memory-backend-file");
    g_assert_cmpstr(block(blocks, 0)->path, ==, "/dev/shm");
    g_assert_cmpuint(block(blocks, 0)->align, ==, 2u << 20);
    g_assert_true(block(blocks, 0)->share);
    g_assert_true(block(blocks, 0)->prealloc);
    g_assert_cmpstr(block(blocks, 1)->kind, ==, "memory-backend-epc");
    g_assert_null(block(blocks, 1)->path);
    /* An object of that name which is no memory backend. */
    g_assert_null(block(blocks, 2)->backend);
    g_assert_null(block(blocks, 2)->kind);
}

/* A block behind a PCI device is called after its bus address as well, and a
 * virtio-pmem's has no name. A backend that nobody uses is nobody's. */
static void
test_blocks_of_devices(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_ANSWER,
         JSON_TABLE(LINE("0000:00:02.0/m0") LINE("0000:00:03.0//objects/v")
                        LINE(""))},
        {QMP_PEER_HEAR, "{\"path\":\"/objects\"}"},
        {QMP_PEER_ANSWER, "[" OBJECT("m0") "," OBJECT("v") "," OBJECT("p")
                          "," OBJECT("spare") "]"},
        {QMP_PEER_HEAR, "{\"path\":\"/machine/peripheral\"}"},
        {QMP_PEER_ANSWER,
         "[{\"name\": \"vmem\", \"type\": \"child<virtio-mem-pci>\"},"
         "{\"name\": \"pm\", \"type\": \"child<virtio-pmem-pci>\"}]"},
        IS("/machine/peripheral/vmem",
           "[{\"name\": \"memdev\", \"type\": \"link<memory-backend>\"}]"),
        IS("memdev", "\"/objects/v\""),
        IS("/machine/peripheral/pm",
           "[{\"name\": \"memdev\", \"type\": \"link<memory-backend>\"}]"),
        IS("memdev", "\"/objects/p\""),
        IS("/machine/peripheral-anon", "[]"),
        FILE_PROPERTIES,
        IS("prealloc", "true"),
        IS("size", "4096"),
        FILE_PROPERTIES,
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) blocks = query(steps, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(blocks->len, ==, 3);
    /* Called like the backend m0, but no device has it. */
    g_assert_null(block(blocks, 0)->backend);
    g_assert_cmpstr(block(blocks, 1)->backend, ==, "v");
    g_assert_cmpstr(block(blocks, 1)->device, ==, "virtio-mem-pci");
    g_assert_cmpstr(block(blocks, 1)->device_id, ==, "vmem");
    g_assert_true(block(blocks, 1)->device_prealloc);
    g_assert_cmpstr(block(blocks, 2)->name, ==, "");
    g_assert_cmpstr(block(blocks, 2)->backend, ==, "p");
    g_assert_cmpuint(block(blocks, 2)->bytes, ==, 4096);
}

static void
test_two_of_one_name_are_unsupported(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_ANSWER,
         JSON_TABLE(LINE("0000:00:02.0/v") LINE("0000:00:03.0/v"))},
        {QMP_PEER_HEAR, "{\"path\":\"/objects\"}"},
        {QMP_PEER_ANSWER, "[" OBJECT("v") "]"},
        {QMP_PEER_HEAR, "{\"path\":\"/machine/peripheral\"}"},
        {QMP_PEER_ANSWER,
         "[{\"name\": \"vmem\", \"type\": \"child<virtio-mem-pci>\"}]"},
        IS("/machine/peripheral/vmem",
           "[{\"name\": \"memdev\", \"type\": \"link<memory-backend>\"}]"),
        IS("memdev", "\"/objects/v\""),
        IS("/machine/peripheral-anon", "[]"),
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_assert_null(query(steps, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "may both be memory backend 'v'"));
}

static void
test_replies_of_the_wrong_shape_are_protocol(void)
{
    static const QmpPeerStep table[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_ANSWER, "{\"human-readable-text\": \"No such thing\"}"},
        {QMP_PEER_END},
    };
    static const QmpPeerStep property[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_ANSWER, JSON_TABLE(LINE("ram0"))},
        {QMP_PEER_HEAR, "\"qom-list\""},
        {QMP_PEER_ANSWER, "[{\"name\": \"ram0\", "
                          "\"type\": \"child<memory-backend-ram>\"}]"},
        {QMP_PEER_HEAR, "\"share\""},
        {QMP_PEER_ANSWER, "\"yes\""},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_assert_null(query(table, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_nonnull(strstr(error->message, "No such thing"));
    g_clear_error(&error);
    g_assert_null(query(property, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_nonnull(strstr(error->message, "'/objects/ram0'"));
}

static void
test_a_qemu_without_the_command_is_unsupported(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"x-query-ramblock\""},
        {QMP_PEER_REFUSE, "CommandNotFound", "no such command"},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_assert_null(query(steps, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "RAM blocks"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/ram/table-of-7", test_table_of_7);
    g_test_add_func("/qmp/ram/table-of-10", test_table_of_10);
    g_test_add_func("/qmp/ram/not-understood",
                    test_a_line_not_understood_fails_the_whole);
    g_test_add_func("/qmp/ram/joined",
                    test_blocks_are_joined_with_their_backends);
    g_test_add_func("/qmp/ram/devices", test_blocks_of_devices);
    g_test_add_func("/qmp/ram/ambiguous",
                    test_two_of_one_name_are_unsupported);
    g_test_add_func("/qmp/ram/wrong-shape",
                    test_replies_of_the_wrong_shape_are_protocol);
    g_test_add_func("/qmp/ram/unsupported",
                    test_a_qemu_without_the_command_is_unsupported);
    return g_test_run();
}
