/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Capabilities and parameters around one migration: see
 * migrate-capability.h.
 */
#include "migrate/device/migrate-capability.h"

#include "base/error.h"

typedef struct {
    const char *name;
    bool wanted;
    bool source_only;
    bool essential; /* its absence is an error, not a relief */
} Wish;

/* Incompatible ones first: QEMU checks the whole set at each change
 * (migration/options.c, migrate_caps_check). */
static const Wish wishes[] = {
    {"postcopy-preempt", false, false, false},
    {"postcopy-ram", false, false, false},
    {"zero-copy-send", false, false, false},
    {"multifd", false, false, false},
    {"mapped-ram", false, false, false},
    {"background-snapshot", false, false, false},
    {"x-colo", false, false, false},
    {"rdma-pin-all", false, false, false},
    {"compress", false, false, false},
    {"events", true, false, true},
    {"return-path", true, true, true},
    {"pause-before-switchover", true, true, true},
    {"x-ignore-shared", true, false, true},
};

#define IGNORE_SHARED "x-ignore-shared"

/* Device state is small: the guest stands still while it travels, so QEMU's
 * default of 128 MiB/s must not be what it waits for. */
#define BANDWIDTH_BYTES (INT64_C(10) << 30)

struct MigrateCapability {
    bool known[G_N_ELEMENTS(wishes)];
    bool changed[G_N_ELEMENTS(wishes)];
    bool before[G_N_ELEMENTS(wishes)];
    bool bandwidth_changed;
    gint64 bandwidth;
};

static bool
set_one(MigrateCapability *capability, QmpClient *client, unsigned i,
        GError **error)
{
    const Wish *wish = &wishes[i];
    g_autoptr(GError) why = NULL;
    if (!qmp_qemu_get_capability(client, wish->name, &capability->before[i],
                                 &why)) {
        if (!wish->essential && error_is(why, ERROR_UNSUPPORTED)) {
            return true;
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    capability->known[i] = true;
    if (capability->before[i] == wish->wanted) {
        return true;
    }
    capability->changed[i] = true; /* even if the reply gets lost */
    return qmp_qemu_set_capability(client, wish->name, wish->wanted, error);
}

static MigrateCapability *
set_all(QmpClient *client, bool source, bool following, GError **error)
{
    MigrateCapability *capability = g_new0(MigrateCapability, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(wishes); i++) {
        if ((wishes[i].source_only && !source) ||
            (following && !wishes[i].wanted)) {
            continue;
        }
        if (!set_one(capability, client, i, error)) {
            g_prefix_error(error, "preparing QEMU's migration: ");
            migrate_capability_restore(capability, client, NULL);
            return NULL;
        }
    }
    return capability;
}

MigrateCapability *
migrate_capability_set_following(QmpClient *client, bool source,
                                 GError **error)
{
    return set_all(client, source, true, error);
}

MigrateCapability *
migrate_capability_set(QmpClient *client, bool source, GError **error)
{
    MigrateCapability *capability = set_all(client, source, false, error);
    if (capability && source &&
        qmp_qemu_get_parameter(client, "max-bandwidth",
                               &capability->bandwidth, NULL)) {
        capability->bandwidth_changed = qmp_qemu_set_parameter(
            client, "max-bandwidth", BANDWIDTH_BYTES, NULL);
    }
    return capability;
}

bool
migrate_capability_clear(QmpClient *client, GError **error)
{
    static const char *const harmful[] = {
        IGNORE_SHARED, "pause-before-switchover", "return-path"};
    for (unsigned i = 0; i < G_N_ELEMENTS(harmful); i++) {
        if (!qmp_qemu_set_capability(client, harmful[i], false, error)) {
            g_prefix_error(error,
                           "cannot switch QEMU's migration capability %s off; "
                           "do it by hand before the next migration: ",
                           harmful[i]);
            return false;
        }
    }
    return true;
}

/* In reverse, so that what excluded another comes back after it left. */
bool
migrate_capability_restore(MigrateCapability *capability, QmpClient *client,
                           GError **error)
{
    bool ok = true;
    for (unsigned i = G_N_ELEMENTS(wishes); i-- > 0;) {
        bool ignore_shared = g_str_equal(wishes[i].name, IGNORE_SHARED);
        if (!capability->changed[i] &&
            !(ignore_shared && capability->known[i])) {
            continue;
        }
        bool to = ignore_shared ? false : capability->before[i];
        g_autoptr(GError) why = NULL;
        if (qmp_qemu_set_capability(client, wishes[i].name, to, &why) || !ok) {
            continue;
        }
        ok = false;
        error_set(error,
                  error_is(why, ERROR_VM_GONE) ? ERROR_VM_GONE : ERROR_STATE,
                  "cannot switch QEMU's migration capability %s back %s: %s; "
                  "do it by hand before the next migration",
                  wishes[i].name, to ? "on" : "off", why->message);
    }
    if (capability->bandwidth_changed) {
        qmp_qemu_set_parameter(client, "max-bandwidth", capability->bandwidth,
                               NULL);
    }
    g_free(capability);
    return ok;
}

void
migrate_capability_free(MigrateCapability *capability)
{
    g_free(capability);
}
