/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest RAM as QEMU's migration sees it (x-query-ramblock), joined with the
 * memory backends it comes from: the second half of qmp-qemu.h. The command
 * has no typed form; its table was read on QEMU 7.2 and 10.0:
 *
 *   Block Name  PSize     Offset       Used      Total        HVA  RO
 *         ram0  4 KiB  0x000...0  0x000...0  0x000...0  0x000...0  rw
 *
 * The last two columns are there from 8.0 on. A name may be empty (a backend
 * that nothing uses), may be wider than its column and may hold spaces (a ROM
 * is called after its file), so a line is read from its end.
 */
#include "qmp/qmp-qemu.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "qmp/qmp-message.h"
#include "qmp/qmp-qom.h"

#define CANONICAL_PREFIX "/objects/"

void
qmp_ram_block_clear(QmpRamBlock *block)
{
    g_clear_pointer(&block->name, g_free);
    g_clear_pointer(&block->backend, g_free);
    g_clear_pointer(&block->kind, g_free);
    g_clear_pointer(&block->path, g_free);
}

/* Cuts the last word and the space before it off LINE and returns it; "" if
 * there is no space: even an unnamed block's line begins with some. */
static char *
cut_last_word(char *line)
{
    g_strchomp(line);
    char *space = strrchr(line, ' ');
    if (!space) {
        return line + strlen(line);
    }
    *space = '\0';
    return space + 1;
}

static bool
parse_hex(const char *word, uint64_t *value)
{
    char *end = NULL;
    if (!g_str_has_prefix(word, "0x") || !g_ascii_isxdigit(word[2])) {
        return false;
    }
    errno = 0;
    *value = g_ascii_strtoull(word, &end, 16);
    return errno == 0 && *end == '\0';
}

static bool
is_page_size(const char *number, const char *unit)
{
    return g_ascii_isdigit(number[0]) &&
           strspn(number, "0123456789") == strlen(number) &&
           (strcmp(unit, "B") == 0 || g_str_has_suffix(unit, "iB"));
}

/* One line without its newline; false if it is not a block. What is left of
 * LINE, which is written to, is the name. */
static bool
parse_line(char *line, QmpRamBlock *block)
{
    uint64_t hva = 0;
    uint64_t used;
    uint64_t ignored;
    char *word = cut_last_word(line);
    if (strcmp(word, "rw") == 0 || strcmp(word, "ro") == 0) {
        if (!parse_hex(cut_last_word(line), &hva)) {
            return false;
        }
        word = cut_last_word(line);
    }
    if (!parse_hex(word, &ignored) ||
        !parse_hex(cut_last_word(line), &used) ||
        !parse_hex(cut_last_word(line), &ignored)) {
        return false;
    }
    char *unit = cut_last_word(line);
    char *number = cut_last_word(line);
    if (!is_page_size(number, unit)) {
        return false;
    }
    *block = (QmpRamBlock){.bytes = used, .hva = hva};
    return true;
}

GArray *
qmp_qemu_parse_ram_blocks(const char *text)
{
    g_autoptr(GArray) blocks = g_array_new(false, true, sizeof(QmpRamBlock));
    g_array_set_clear_func(blocks, (GDestroyNotify)qmp_ram_block_clear);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    /* The first line is the heading. */
    if (!lines[0] || !strstr(lines[0], "Block Name") ||
        !strstr(lines[0], "Used")) {
        return NULL;
    }
    for (char **line = lines + 1; *line; line++) {
        QmpRamBlock block;
        g_strchomp(*line);
        if ((*line)[0] == '\0') {
            continue;
        }
        if (!parse_line(*line, &block)) {
            return NULL;
        }
        g_strstrip(*line);
        if ((*line)[0] != '\0') {
            block.name = g_strdup(*line);
            g_array_append_val(blocks, block);
        }
    }
    return g_steal_pointer(&blocks);
}

GArray *
qmp_qemu_list_ram_blocks(QmpClient *client, GError **error)
{
    g_autoptr(JsonNode) reply =
        qmp_client_execute(client, "x-query-ramblock", NULL, error);
    if (!reply) {
        g_prefix_error(error, "list the guest's RAM blocks: ");
        return NULL;
    }
    const char *text = qmp_message_string(reply, "human-readable-text");
    GArray *blocks = text ? qmp_qemu_parse_ram_blocks(text) : NULL;
    if (!blocks) {
        error_set(error, ERROR_PROTOCOL,
                  "QEMU's table of RAM blocks ('x-query-ramblock') is not as "
                  "we know it; this QEMU is probably too new for us: \"%.200s\"",
                  text ? text : "");
    }
    return blocks;
}

static bool
get_bool(QmpClient *client, const char *id, const char *property, bool *value,
         GError **error)
{
    g_autoptr(JsonNode) reply = qmp_qom_get(client, id, property, error);
    if (reply && !qmp_message_bool(reply, NULL, value)) {
        return error_set(error, ERROR_PROTOCOL,
                         "property '%s' of '/objects/%s' is not a boolean",
                         property, id);
    }
    return reply != NULL;
}

/* mem-path and align exist for this kind only. */
static bool
get_file_properties(QmpClient *client, QmpRamBlock *block, GError **error)
{
    gint64 align = 0;
    g_autoptr(JsonNode) path =
        qmp_qom_get(client, block->backend, "mem-path", error);
    if (!path) {
        return false;
    }
    g_autoptr(JsonNode) number =
        qmp_qom_get(client, block->backend, "align", error);
    if (!number) {
        return false;
    }
    block->path = g_strdup(qmp_message_string(path, NULL));
    if (!block->path || !qmp_message_int(number, NULL, &align) || align < 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "'/objects/%s' has no sane mem-path or align",
                         block->backend);
    }
    block->align = (uint64_t)align;
    return true;
}

static bool
join(QmpClient *client, QmpRamBlock *block, const QmpQomChild *backend,
     GError **error)
{
    block->backend = g_strdup(backend->name);
    block->kind = g_strdup(backend->type);
    if (!get_bool(client, block->backend, "share", &block->share, error) ||
        !get_bool(client, block->backend, "prealloc", &block->prealloc,
                  error)) {
        return false;
    }
    return strcmp(block->kind, "memory-backend-file") != 0 ||
           get_file_properties(client, block, error);
}

/* A block is called after its backend's id, or, with the machine types up to
 * 4.0 and wherever x-use-canonical-path-for-ramblock-id is set, after its
 * path. Plain -m makes a backend of its own, called "pc.ram" and the like. */
static const QmpQomChild *
find_backend(const GArray *objects, const char *name)
{
    const char *id = name;
    if (g_str_has_prefix(name, CANONICAL_PREFIX)) {
        id += strlen(CANONICAL_PREFIX);
    }
    for (guint i = 0; i < objects->len; i++) {
        const QmpQomChild *object = &g_array_index(objects, QmpQomChild, i);
        if (g_str_has_prefix(object->type, "memory-backend-") &&
            strcmp(object->name, id) == 0) {
            return object;
        }
    }
    return NULL;
}

GArray *
qmp_qemu_ram_blocks(QmpClient *client, GError **error)
{
    g_autoptr(GArray) blocks = qmp_qemu_list_ram_blocks(client, error);
    if (!blocks) {
        return NULL;
    }
    g_autoptr(GArray) objects = qmp_qom_list(client, "/objects", error);
    if (!objects) {
        return NULL;
    }
    for (guint i = 0; i < blocks->len; i++) {
        QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        const QmpQomChild *backend = find_backend(objects, block->name);
        if (backend && !join(client, block, backend, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&blocks);
}
