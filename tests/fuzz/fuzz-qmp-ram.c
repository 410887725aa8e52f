/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's table of RAM blocks, which is text for people. A block overlooked
 * would be memory lost: there are as many blocks as lines with a name.
 */
#include <string.h>

#include "qmp/qmp-qemu.h"
#include "tests/fuzz/fuzz-check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    g_autoptr(GArray) blocks = qmp_qemu_parse_ram_blocks(text);
    if (!blocks) {
        return 0;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned filled = 0;
    for (char **line = lines + 1; *line; line++) {
        filled += *g_strchomp(*line) != '\0';
    }
    g_assert_cmpuint(blocks->len, <=, filled);
    for (guint i = 0; i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        g_assert_cmpuint(strlen(block->name), >, 0);
        g_assert_nonnull(strstr(text, block->name));
        g_assert_null(block->backend);
        /* The same line without its neighbours is the same block. */
    }
    return 0;
}
