/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who uses which memory backend: see qmp-memdev.h.
 */
#include "qmp/qmp-memdev.h"

#include <string.h>

#include "qmp/qmp-message.h"
#include "qmp/qmp-qom.h"

#define OBJECTS "/objects/"
#define WITH_ID "/machine/peripheral"

/* Devices that somebody plugged in, with an id and without. What the board
 * brings along has no memory backend: only a property can give it one. */
static const char *const places[] = {WITH_ID, "/machine/peripheral-anon"};

void
qmp_memdev_clear(QmpMemdev *memdev)
{
    g_clear_pointer(&memdev->backend, g_free);
    g_clear_pointer(&memdev->type, g_free);
    g_clear_pointer(&memdev->path, g_free);
    g_clear_pointer(&memdev->id, g_free);
}

/* A link that leads nowhere is "". */
static bool
add_link(QmpClient *client, const char *path, const char *link,
         const QmpQomChild *child, GArray *memdevs, GError **error)
{
    g_autoptr(JsonNode) reply = qmp_qom_get_at(client, path, link, error);
    const char *target = reply ? qmp_message_string(reply, NULL) : NULL;
    if (target && g_str_has_prefix(target, OBJECTS)) {
        QmpMemdev memdev = {
            .backend = g_strdup(target + strlen(OBJECTS)),
            .type = g_strdup(child->type),
            .path = g_strdup(path),
            .id = g_str_has_prefix(path, WITH_ID "/") ? g_strdup(child->name)
                                                      : NULL};
        g_array_append_val(memdevs, memdev);
    }
    return reply != NULL;
}

static bool
add_device(QmpClient *client, const char *place, const QmpQomChild *child,
           GArray *memdevs, GError **error)
{
    g_autofree char *path = g_strconcat(place, "/", child->name, NULL);
    g_autoptr(GPtrArray) links =
        qmp_qom_links(client, path, "memory-backend", error);
    for (guint i = 0; links && i < links->len; i++) {
        if (!add_link(client, path, g_ptr_array_index(links, i), child,
                      memdevs, error)) {
            return false;
        }
    }
    return links != NULL;
}

static bool
add_place(QmpClient *client, const char *place, GArray *memdevs,
          GError **error)
{
    g_autoptr(GArray) children = qmp_qom_list(client, place, error);
    for (guint i = 0; children && i < children->len; i++) {
        if (!add_device(client, place,
                        &g_array_index(children, QmpQomChild, i), memdevs,
                        error)) {
            return false;
        }
    }
    return children != NULL;
}

GArray *
qmp_memdev_list(QmpClient *client, GError **error)
{
    g_autoptr(GArray) memdevs = g_array_new(false, true, sizeof(QmpMemdev));
    g_array_set_clear_func(memdevs, (GDestroyNotify)qmp_memdev_clear);
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (!add_place(client, places[i], memdevs, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&memdevs);
}

const QmpMemdev *
qmp_memdev_find(const GArray *memdevs, const char *id)
{
    for (guint i = 0; i < memdevs->len; i++) {
        const QmpMemdev *m = &g_array_index(memdevs, QmpMemdev, i);
        if (strcmp(m->backend, id) == 0) {
            return m;
        }
    }
    return NULL;
}
