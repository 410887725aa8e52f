/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's object model over QMP, as far as we look into it: what lives under a
 * path, and one property of it.
 */
#pragma once

#include "qmp/qmp-client.h"

/* A child of a QOM path. */
typedef struct {
    char *name;
    char *type; /* QOM type, without the "child<>" around it */
} QmpQomChild;

void qmp_qom_child_clear(QmpQomChild *child);

/* The children of PATH (properties and links are left out): GArray of
 * QmpQomChild that clears its elements. */
GArray *qmp_qom_list(QmpClient *client, const char *path, GError **error);

/* The names of PATH's properties that are a link to a TYPE, in QEMU's order;
 * GPtrArray of char* that frees its elements. */
GPtrArray *qmp_qom_links(QmpClient *client, const char *path, const char *type,
                         GError **error);

/* One property of the object at PATH. FAILED if it has no such. */
JsonNode *qmp_qom_get_at(QmpClient *client, const char *path,
                         const char *property, GError **error);

/* One property of /objects/ID. FAILED if the object has no such. */
JsonNode *qmp_qom_get(QmpClient *client, const char *id, const char *property,
                      GError **error);
