/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM blocks compared: see vm-blocks.h.
 */
#include "tests/support/vm-blocks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc-maps.h"
#include "qmp/qmp-message.h"

#define PIECE 65536u

static uint64_t
hva_of_file(VmQemu *vm, const char *backend)
{
    g_autoptr(GArray) maps = proc_maps_read(vm_qemu_pid(vm), false, NULL);
    g_autofree char *plain = g_strdup_printf("qemu_back_mem.%s.", backend);
    g_autofree char *canonical =
        g_strdup_printf("qemu_back_mem._objects_%s.", backend);
    for (guint i = 0; maps && i < maps->len; i++) {
        const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
        if (strstr(m->path, plain) || strstr(m->path, canonical)) {
            return m->start;
        }
    }
    return 0;
}

static char *
human(VmQemu *vm, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) reply = qmp_client_execute(
        vm_qemu_monitor(vm), "human-monitor-command",
        qmp_message_arguments("command-line", command, NULL), &error);
    g_assert_no_error(error);
    return g_strdup(qmp_message_string(reply, NULL));
}

/* Of a line like "00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram",
 * if it is all of the block. */
static uint64_t
gpa_of_line(const char *line, const char *name, uint64_t bytes)
{
    uint64_t first = 0, last = 0;
    g_autofree char *ending = g_strconcat("): ", name, NULL);
    g_autofree char *text = g_strchomp(g_strdup(line));
    if (!g_str_has_suffix(text, ending) ||
        sscanf(text, " %" SCNx64 "-%" SCNx64, &first, &last) != 2) {
        return 0;
    }
    return last - first + 1 == bytes ? first : 0;
}

static uint64_t
hva_of_region(VmQemu *vm, const QmpRamBlock *block)
{
    const char *slash = strrchr(block->name, '/');
    g_autofree char *tree = human(vm, "info mtree -f");
    g_auto(GStrv) lines = g_strsplit(tree, "\n", -1);
    uint64_t gpa = 0;
    for (char **line = lines; *line && !gpa; line++) {
        gpa = gpa_of_line(*line, slash ? slash + 1 : block->name,
                          block->bytes);
    }
    g_autofree char *command = g_strdup_printf("gpa2hva 0x%" PRIx64, gpa);
    g_autofree char *said = gpa ? human(vm, command) : NULL;
    const char *is = said ? strstr(said, " is 0x") : NULL;
    return is ? strtoull(is + 4, NULL, 16) : 0;
}

GArray *
vm_blocks_list(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    GArray *blocks = qmp_qemu_ram_blocks(vm_qemu_monitor(vm), &error);
    g_assert_no_error(error);
    for (guint i = 0; i < blocks->len; i++) {
        QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (block->hva == 0) {
            block->hva = block->backend ? hva_of_file(vm, block->backend)
                                        : hva_of_region(vm, block);
        }
    }
    return blocks;
}

static int
open_memory(VmQemu *vm)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/mem", (int)vm_qemu_pid(vm));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_no_errno(fd);
    return fd;
}

void
vm_blocks_fill(VmQemu *vm, const char *ending, unsigned seed)
{
    g_autoptr(GArray) blocks = vm_blocks_list(vm);
    autofd memory = open_memory(vm);
    unsigned found = 0;
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (!g_str_has_suffix(block->name, ending)) {
            continue;
        }
        g_assert_cmpuint(block->hva, !=, 0);
        for (uint64_t at = 0; at < block->bytes; at += PIECE) {
            uint64_t word = (at + 1) * 2654435761u + seed;
            g_assert_cmpint(pwrite(memory, &word, sizeof word,
                                   (off_t)(block->hva + at)),
                            ==, sizeof word);
        }
        found++;
    }
    g_assert_cmpuint(found, ==, 1);
}

static void
expect_same(VmPair *pair, const QmpRamBlock *there, const QmpRamBlock *here)
{
    autofd source = open_memory(pair->source);
    autofd destination = open_memory(pair->destination);
    uint8_t a[PIECE], b[PIECE];
    for (uint64_t at = 0; at < there->bytes; at += PIECE) {
        size_t n = MIN(PIECE, there->bytes - at);
        g_assert_cmpint(pread(source, a, n, (off_t)(there->hva + at)), ==, n);
        g_assert_cmpint(pread(destination, b, n, (off_t)(here->hva + at)), ==,
                        n);
        if (memcmp(a, b, n) != 0) {
            g_error("RAM block '%s' differs at 0x%" PRIx64 " and above",
                    there->name, at);
        }
    }
}

void
vm_blocks_expect_same(VmPair *pair, unsigned seen)
{
    g_autoptr(GArray) there = vm_blocks_list(pair->source);
    g_autoptr(GArray) here = vm_blocks_list(pair->destination);
    unsigned compared = 0;
    g_assert_cmpuint(there->len, ==, here->len);
    for (guint i = 0; i < there->len; i++) {
        const QmpRamBlock *a = &g_array_index(there, QmpRamBlock, i);
        const QmpRamBlock *b = &g_array_index(here, QmpRamBlock, i);
        g_assert_cmpstr(a->name, ==, b->name);
        g_assert_cmpuint(a->bytes, ==, b->bytes);
        if (a->hva == 0 || b->hva == 0) {
            g_assert_null(a->backend);
            g_test_message("block '%s' of %" PRIu64 " KiB has no address",
                           a->name, a->bytes >> 10);
            continue;
        }
        expect_same(pair, a, b);
        compared++;
    }
    g_test_message("%u of %u blocks compared", compared, there->len);
    g_assert_cmpuint(compared, >=, seen);
}
