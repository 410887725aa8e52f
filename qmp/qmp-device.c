/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looking for devices that touch guest RAM without us: the part of qmp-qemu.h
 * that walks QEMU's object tree.
 */
#include "qmp/qmp-qemu.h"

#include <string.h>

#include "base/error.h"
#include "qmp/qmp-message.h"
#include "qmp/qmp-qom.h"

/* Where QEMU puts what is plugged in: -device with an id, without one, and
 * what the board brings along; /objects has the cryptodev back ends. A device
 * that wraps another (vhost-user-fs-pci) shows in its own type. One level, so
 * the walk is bounded by what the command line names. */
static const char *const places[] = {
    "/machine/peripheral",
    "/machine/peripheral-anon",
    "/machine/unattached",
    "/objects",
};

static bool
device_matches(const char *type, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (g_str_has_prefix(type, *prefixes)) {
            return true;
        }
    }
    return false;
}

static bool
find_in(QmpClient *client, const char *place, const char *const *prefixes,
        char **found, GError **error)
{
    g_autoptr(GArray) children = qmp_qom_list(client, place, error);
    for (guint i = 0; children && i < children->len; i++) {
        const QmpQomChild *child = &g_array_index(children, QmpQomChild, i);
        if (device_matches(child->type, prefixes)) {
            *found = g_strdup(child->type);
            return true;
        }
    }
    return false;
}

/* The kind of back end that a line of "info network" names, as
 * "vhost-user-netdev"; NULL if it names none. Lines look like
 *   " \ net0: index=0,type=vhost-user,vhost-user0 to c0" */
static char *
netdev_kind(const char *line)
{
    static const char key[] = ",type=";
    const char *type = strstr(line, key);
    if (!type) {
        return NULL;
    }
    type += strlen(key);
    g_autofree char *name = g_strndup(type, strcspn(type, ",\r "));
    return g_strconcat(name, "-netdev", NULL);
}

/* Network back ends are not in the object tree, and QMP has no query for
 * them; the human monitor's is what there is. */
static bool
find_netdev(QmpClient *client, const char *const *prefixes, char **found,
            GError **error)
{
    g_autoptr(JsonNode) reply = qmp_client_execute(
        client, "human-monitor-command",
        qmp_message_arguments("command-line", "info network", NULL), error);
    if (!reply) {
        g_prefix_error(error, "list the guest's network back ends: ");
        return false;
    }
    const char *text = qmp_message_string(reply, NULL);
    if (!text) {
        return error_set(error, ERROR_PROTOCOL,
                         "QEMU's reply to 'info network' is not a text");
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *kind = netdev_kind(*line);
        if (kind && device_matches(kind, prefixes)) {
            *found = g_steal_pointer(&kind);
            return true;
        }
    }
    return false;
}

bool
qmp_qemu_find_device(QmpClient *client, const char *const *prefixes,
                     char **found, GError **error)
{
    g_autoptr(GError) why = NULL;
    *found = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (find_in(client, places[i], prefixes, found, &why)) {
            return true;
        }
        if (why) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
    return find_netdev(client, prefixes, found, error);
}
