/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a model of QEMU tells of itself: see model-query.h.
 */
#include "tests/support/model-query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

typedef char *(*Tell)(ModelQemu *qemu, JsonObject *arguments);

static char *
tell_name(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup_printf("{\"name\": \"%s\"}", qemu->name);
}

static char *
tell_uuid(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup_printf("{\"UUID\": \"%s\"}", qemu->uuid);
}

static char *
tell_version(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup_printf("{\"qemu\": {\"micro\": 0, \"minor\": 0, "
                           "\"major\": %u}, \"package\": \"\"}",
                           qemu->version);
}

static char *
tell_status(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup_printf("{\"status\": \"%s\", \"singlestep\": false, "
                           "\"running\": %s}",
                           qemu->machine.state,
                           qemu->machine.runs ? "true" : "false");
}

/* Each direction hides the other: QEMU has one status. 7.2 does not tell of an
 * incoming one that waits. */
static char *
tell_migrate(ModelQemu *qemu, JsonObject *arguments)
{
    const char *status = qemu->migration.status;
    if (g_str_equal(status, "none")) {
        status = qemu->migration.incoming;
    }
    if (g_str_equal(status, "none") ||
        (qemu->version == 7 && status == qemu->migration.incoming &&
         g_str_equal(status, "setup"))) {
        return g_strdup("{}");
    }
    if (g_str_equal(qemu->migration.status, "completed")) {
        return g_strdup_printf("{\"status\": \"completed\", \"ram\": "
                               "{\"normal\": %" G_GUINT64_FORMAT
                               ", \"duplicate\": 0}}",
                               qemu->migration.carried_pages);
    }
    return g_strdup_printf("{\"status\": \"%s\"}",
                           g_str_equal(status, "sent") ||
                                   g_str_equal(status, "loaded")
                               ? "device"
                               : status);
}

static char *
tell_capabilities(ModelQemu *qemu, JsonObject *arguments)
{
    GString *text = g_string_new("[");
    for (unsigned i = 0; i < MODEL_CAPABILITIES; i++) {
        g_string_append_printf(
            text, "%s{\"capability\": \"%s\", \"state\": %s}", i ? ", " : "",
            model_capability_names[i],
            qemu->migration.capabilities[i] ? "true" : "false");
    }
    return g_string_free(g_string_append_c(text, ']'), false);
}

static char *
tell_parameters(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup("{\"max-bandwidth\": 134217728}");
}

/* The table of x-query-ramblock; the last two columns from 8.0 on. */
static char *
tell_ramblock(ModelQemu *qemu, JsonObject *arguments)
{
    bool hva = qemu->version >= 8;
    GString *text = g_string_new("              Block Name    PSize"
                                 "              Offset               Used"
                                 "              Total");
    g_string_append(text, hva ? "                HVA  RO\\n" : "\\n");
    for (guint i = 0; i < qemu->machine.blocks->len; i++) {
        const ModelBlock *block =
            &g_array_index(qemu->machine.blocks, ModelBlock, i);
        g_string_append_printf(text, "%24s    4 KiB  0x%016x 0x%016" PRIx64
                               " 0x%016" PRIx64, block->name, 0, block->bytes,
                               block->bytes);
        if (hva) {
            g_string_append_printf(text, " 0x%016" PRIx64 "  rw",
                                   (uint64_t)(uintptr_t)block->view);
        }
        g_string_append(text, "\\n");
    }
    g_autofree char *table = g_string_free(text, false);
    return g_strdup_printf("{\"human-readable-text\": \"%s\"}", table);
}

static void
add_child(GString *text, const char *name, const char *type)
{
    g_string_append_printf(text,
                           ", {\"name\": \"%s\", \"type\": \"child<%s>\"}",
                           name, type);
}

static char *
tell_qom_list(ModelQemu *qemu, JsonObject *arguments)
{
    const char *path = json_object_get_string_member(arguments, "path");
    GString *text =
        g_string_new("[{\"name\": \"type\", \"type\": \"string\"}");
    for (guint i = 0; i < qemu->machine.blocks->len &&
                      g_str_equal(path, "/objects"); i++) {
        add_child(text,
                  g_array_index(qemu->machine.blocks, ModelBlock, i).name,
                  "memory-backend-file");
    }
    for (guint i = 0; i < qemu->machine.devices->len &&
                      g_str_equal(path, "/machine/peripheral"); i++) {
        const ModelDevice *device =
            &g_array_index(qemu->machine.devices, ModelDevice, i);
        add_child(text, device->id, device->type);
    }
    return g_string_free(g_string_append_c(text, ']'), false);
}

static const ModelBlock *
find_block(ModelQemu *qemu, const char *path)
{
    const char *name = strrchr(path, '/');
    for (guint i = 0; name && i < qemu->machine.blocks->len; i++) {
        const ModelBlock *block =
            &g_array_index(qemu->machine.blocks, ModelBlock, i);
        if (g_str_equal(block->name, name + 1)) {
            return block;
        }
    }
    return NULL;
}

static char *
tell_property(ModelQemu *qemu, JsonObject *arguments)
{
    const char *path = json_object_get_string_member(arguments, "path");
    const char *name = json_object_get_string_member(arguments, "property");
    const ModelBlock *block = find_block(qemu, path);
    if (!block || !g_str_has_prefix(path, "/objects/")) {
        return NULL;
    }
    if (g_str_equal(name, "mem-path")) {
        return g_strdup_printf("\"%s\"", block->path);
    }
    if (g_str_equal(name, "align")) {
        return g_strdup("2097152");
    }
    if (g_str_equal(name, "size")) {
        return g_strdup_printf("%" PRIu64, block->bytes);
    }
    bool on = g_str_equal(name, "share") || g_str_equal(name, "dump") ||
              g_str_equal(name, "merge");
    bool off = g_str_equal(name, "prealloc") || g_str_equal(name, "pmem") ||
               g_str_equal(name, "readonly") || g_str_equal(name, "reserve");
    return on ? g_strdup("true") : off ? g_strdup("false") : NULL;
}

/* "info network" of a guest without, and all else that one may ask. */
static char *
tell_human(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup("\"\"");
}

static char *
tell_none(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup("[]");
}

static char *
tell_scan(ModelQemu *qemu, JsonObject *arguments)
{
    return g_strdup_printf("%" PRIu64, model_machine_scan(&qemu->machine));
}

static const struct {
    const char *name;
    Tell tell;
} queries[] = {
    {"query-name", tell_name},
    {"query-uuid", tell_uuid},
    {"query-version", tell_version},
    {"query-status", tell_status},
    {"query-migrate", tell_migrate},
    {"query-migrate-capabilities", tell_capabilities},
    {"query-migrate-parameters", tell_parameters},
    {"x-query-ramblock", tell_ramblock},
    {"qom-list", tell_qom_list},
    {"qom-get", tell_property},
    {"human-monitor-command", tell_human},
    {"query-memory-devices", tell_none},
    {"query-fdsets", tell_none},
    {"x-model-scan", tell_scan},
};

/* Its number here is the number that it has for who borrows us. */
static ModelReply
add_fd(int *fd)
{
    static int set;
    int ours = fd_steal(fd);
    return (ModelReply){.value = g_strdup_printf(
                            "{\"fd\": %d, \"fdset-id\": %d}", ours, set++)};
}

ModelReply
model_query_run(ModelQemu *qemu, const char *command, JsonObject *arguments,
                int *fd)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(queries); i++) {
        if (g_str_equal(queries[i].name, command)) {
            ModelReply reply = {.value = queries[i].tell(qemu, arguments)};
            if (!reply.value) {
                reply.error = g_strdup("there is no such property");
            }
            return reply;
        }
    }
    if (g_str_equal(command, "add-fd") && *fd >= 0) {
        return add_fd(fd);
    }
    if (g_str_equal(command, "remove-fd")) {
        return (ModelReply){.value = g_strdup("{}")};
    }
    fprintf(stderr, "model: no command '%s'\n", command);
    return (ModelReply){
        .error = g_strdup_printf("The command %s has not been found", command),
        .unknown = true};
}
