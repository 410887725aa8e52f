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
#include "qmp/qmp-memdev.h"
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
    g_clear_pointer(&block->device, g_free);
    g_clear_pointer(&block->device_id, g_free);
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
    uint64_t max;
    uint64_t used;
    uint64_t ignored;
    char *word = cut_last_word(line);
    if (strcmp(word, "rw") == 0 || strcmp(word, "ro") == 0) {
        if (!parse_hex(cut_last_word(line), &hva)) {
            return false;
        }
        word = cut_last_word(line);
    }
    if (!parse_hex(word, &max) ||
        !parse_hex(cut_last_word(line), &used) ||
        !parse_hex(cut_last_word(line), &ignored)) {
        return false;
    }
    char *unit = cut_last_word(line);
    char *number = cut_last_word(line);
    if (!is_page_size(number, unit)) {
        return false;
    }
    *block = (QmpRamBlock){.bytes = used, .max_bytes = max, .hva = hva};
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
get_bool_at(QmpClient *client, const char *path, const char *property,
            bool *value, GError **error)
{
    g_autoptr(JsonNode) reply = qmp_qom_get_at(client, path, property, error);
    if (reply && !qmp_message_bool(reply, NULL, value)) {
        return error_set(error, ERROR_PROTOCOL,
                         "property '%s' of '%s' is not a boolean", property,
                         path);
    }
    return reply != NULL;
}

static bool
get_bool(QmpClient *client, const char *id, const char *property, bool *value,
         GError **error)
{
    g_autofree char *path = g_strconcat(CANONICAL_PREFIX, id, NULL);
    return get_bool_at(client, path, property, value, error);
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
ram_join(QmpClient *client, QmpRamBlock *block, const QmpQomChild *backend,
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

/* Up to machine type 4.0, and wherever x-use-canonical-path-for-ramblock-id is
 * set, a block is called after its backend's path. */
static bool
is_called_after(const char *name, const char *id)
{
    return strcmp(name, id) == 0 ||
           (g_str_has_prefix(name, CANONICAL_PREFIX) &&
            strcmp(name + strlen(CANONICAL_PREFIX), id) == 0);
}

/* "0000:00:01.0/vm0", "0000:00:02.0:00.0:03.0//objects/vm0". */
static bool
is_behind_device(const char *name, const char *id)
{
    const char *slash = strchr(name, '/');
    return slash && slash != name && is_called_after(slash + 1, id);
}

static bool
is_backend(const QmpQomChild *object)
{
    return g_str_has_prefix(object->type, "memory-backend-");
}

static QmpRamBlock *
block_of(const GArray *blocks, const char *id)
{
    for (guint i = 0; i < blocks->len; i++) {
        QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (g_strcmp0(block->backend, id) == 0) {
            return block;
        }
    }
    return NULL;
}

/* The machine's memory, NUMA nodes' and DIMMs': called after their backend. */
static bool
join_by_name(QmpClient *client, GArray *blocks, const GArray *objects,
             GError **error)
{
    for (guint i = 0; i < blocks->len; i++) {
        QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        for (guint o = 0; o < objects->len && !block->backend; o++) {
            const QmpQomChild *object =
                &g_array_index(objects, QmpQomChild, o);
            if (is_backend(object) &&
                is_called_after(block->name, object->name) &&
                !block_of(blocks, object->name) &&
                !ram_join(client, block, object, error)) {
                return false;
            }
        }
    }
    return true;
}

/* All backends are shared blocks called after them: who uses them is no
 * matter. */
static bool
are_simple(const GArray *blocks, const GArray *objects)
{
    for (guint i = 0; i < objects->len; i++) {
        const QmpQomChild *object = &g_array_index(objects, QmpQomChild, i);
        const QmpRamBlock *block =
            is_backend(object) ? block_of(blocks, object->name) : NULL;
        if (is_backend(object) && !(block && block->share)) {
            return false;
        }
    }
    return true;
}

static bool
find_behind_device(const GArray *blocks, const char *id, QmpRamBlock **found,
                   GError **error)
{
    *found = NULL;
    for (guint i = 0; i < blocks->len; i++) {
        QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (block->backend || !is_behind_device(block->name, id)) {
            continue;
        }
        if (*found) {
            return error_set(error, ERROR_UNSUPPORTED,
                             "RAM blocks '%s' and '%s' may both be memory "
                             "backend '%s': give the backend an id that no "
                             "other block has",
                             (*found)->name, block->name, id);
        }
        *found = block;
    }
    return true;
}

/* What a device has from BACKEND and QEMU's migration has no name for. */
static bool
append_unnamed(QmpClient *client, GArray *blocks, const QmpQomChild *backend,
               GError **error)
{
    gint64 bytes = 0;
    g_autoptr(JsonNode) size =
        qmp_qom_get(client, backend->name, "size", error);
    if (size && (!qmp_message_int(size, NULL, &bytes) || bytes < 0)) {
        return error_set(error, ERROR_PROTOCOL, "'/objects/%s' has no size",
                         backend->name);
    }
    if (!size) {
        return false;
    }
    QmpRamBlock block = {.name = g_strdup(""), .bytes = (uint64_t)bytes,
                         .max_bytes = (uint64_t)bytes};
    g_array_append_val(blocks, block);
    return ram_join(client,
                    &g_array_index(blocks, QmpRamBlock, blocks->len - 1),
                    backend, error);
}

static bool
join_by_device(QmpClient *client, GArray *blocks, const QmpQomChild *backend,
               const QmpMemdev *memdev, GError **error)
{
    if (!block_of(blocks, backend->name)) {
        QmpRamBlock *found;
        if (!find_behind_device(blocks, backend->name, &found, error)) {
            return false;
        }
        if (found ? !ram_join(client, found, backend, error)
                  : !append_unnamed(client, blocks, backend, error)) {
            return false;
        }
    }
    QmpRamBlock *block = block_of(blocks, backend->name);
    block->device = g_strdup(memdev->type);
    block->device_id = g_strdup(memdev->id);
    return !g_str_has_prefix(memdev->type, "virtio-mem") ||
           get_bool_at(client, memdev->path, "prealloc",
                       &block->device_prealloc, error);
}

static bool
join_devices(QmpClient *client, GArray *blocks, const GArray *objects,
             GError **error)
{
    g_autoptr(GArray) memdevs = qmp_memdev_list(client, error);
    for (guint i = 0; memdevs && i < objects->len; i++) {
        const QmpQomChild *object = &g_array_index(objects, QmpQomChild, i);
        const QmpMemdev *memdev = is_backend(object)
                                      ? qmp_memdev_find(memdevs, object->name)
                                      : NULL;
        if (memdev && !join_by_device(client, blocks, object, memdev, error)) {
            return false;
        }
    }
    return memdevs != NULL;
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
    if (!join_by_name(client, blocks, objects, error) ||
        (!are_simple(blocks, objects) &&
         !join_devices(client, blocks, objects, error))) {
        return NULL;
    }
    return g_steal_pointer(&blocks);
}
