/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The commands that act: see model-command.h. Those that only tell are in
 * model-query.c.
 */
#include "tests/support/model-command.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/model-query.h"

#define DIMM_BYTES ((uint64_t)2 << 20)

typedef const char *(*Act)(ModelQemu *qemu, JsonObject *arguments, int *fd);

static const char *
text_of(JsonObject *arguments, const char *name)
{
    const char *text =
        arguments ? json_object_get_string_member_with_default(arguments, name,
                                                               NULL)
                  : NULL;
    return text ? text : "";
}

static bool
is_state(const ModelQemu *qemu, const char *state)
{
    return g_str_equal(qemu->machine.state, state);
}

static const char *
act_cont(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    if (is_state(qemu, "inmigrate")) {
        qemu->machine.autostart = true;
        return NULL;
    }
    if (is_state(qemu, "finish-migrate")) {
        return "Migration is not finalized yet";
    }
    if (is_state(qemu, "shutdown") || is_state(qemu, "internal-error")) {
        return "Resetting the Virtual Machine is required";
    }
    if (is_state(qemu, "running")) {
        model_monitors_event(qemu->monitors, "STOP", NULL);
    }
    model_monitors_event(qemu->monitors, "RESUME", NULL);
    model_machine_run(&qemu->machine);
    return NULL;
}

static void
halt(ModelQemu *qemu, const char *state)
{
    if (is_state(qemu, "running")) {
        model_machine_halt(&qemu->machine, state);
        model_monitors_event(qemu->monitors, "STOP", NULL);
    }
}

static const char *
act_stop(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    if (is_state(qemu, "inmigrate")) {
        qemu->machine.autostart = false;
    }
    halt(qemu, "paused");
    return NULL;
}

static const char *
act_panic(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    model_monitors_event(qemu->monitors, "GUEST_PANICKED",
                         "{\"action\": \"pause\"}");
    halt(qemu, "guest-panicked");
    return NULL;
}

static const char *
act_poweroff(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    model_monitors_event(qemu->monitors, "SHUTDOWN",
                         "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
    halt(qemu, "shutdown");
    return NULL;
}

static const char *
act_quit(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    model_monitors_event(qemu->monitors, "SHUTDOWN",
                         "{\"guest\": false, \"reason\": "
                         "\"host-qmp-quit\"}");
    qemu->quitting = true;
    return NULL;
}

static const char *
act_set_capabilities(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    JsonArray *wishes = json_object_get_array_member(arguments, "capabilities");
    if (model_migration_is_under_way(&qemu->migration)) {
        return "There's a migration process in progress";
    }
    for (guint i = 0; i < json_array_get_length(wishes); i++) {
        JsonObject *wish = json_array_get_object_element(wishes, i);
        for (unsigned c = 0; c < MODEL_CAPABILITIES; c++) {
            if (g_str_equal(model_capability_names[c],
                            text_of(wish, "capability"))) {
                qemu->migration.capabilities[c] =
                    json_object_get_boolean_member(wish, "state");
            }
        }
    }
    return NULL;
}

static char *
fd_key(const ModelQemu *qemu, const char *name)
{
    return g_strdup_printf("%u/%s", qemu->from, name);
}

/* Kept open here, where who looks at our descriptors finds it. */
static const char *
act_getfd(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    if (*fd < 0) {
        return "No file descriptor supplied via SCM_RIGHTS";
    }
    g_hash_table_replace(qemu->fds, fd_key(qemu, text_of(arguments, "fdname")),
                         GINT_TO_POINTER(fd_steal(fd)));
    return NULL;
}

/* -1 if there is none of that name. */
static int
take_fd(ModelQemu *qemu, const char *name)
{
    g_autofree char *key = fd_key(qemu, name);
    gpointer value;
    if (!g_hash_table_lookup_extended(qemu->fds, key, NULL, &value)) {
        return -1;
    }
    g_hash_table_remove(qemu->fds, key);
    return GPOINTER_TO_INT(value);
}

static const char *
act_closefd(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    autofd taken = take_fd(qemu, text_of(arguments, "fdname"));
    return taken < 0 ? "File descriptor named is not found" : NULL;
}

static int
reach(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    bool ok = listens ? bind(s, to, sizeof address) == 0 && listen(s, 1) == 0
                      : connect(s, to, sizeof address) == 0;
    if (!ok) {
        close(s);
    }
    return ok ? s : -1;
}

static const char *
act_migrate(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    const char *uri = text_of(arguments, "uri");
    autofd channel = g_str_has_prefix(uri, "fd:") ? take_fd(qemu, uri + 3)
                                                  : reach(uri + 5, false);
    if (channel < 0) {
        return "Failed to reach the other side";
    }
    return model_migration_begin(&qemu->migration, fd_steal(&channel),
                                 qemu->from == MODEL_HAND);
}

static const char *
act_incoming(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    const char *uri = text_of(arguments, "uri");
    autofd channel = -1, listener = -1;
    if (g_str_has_prefix(uri, "fd:")) {
        channel = take_fd(qemu, uri + 3);
    } else {
        listener = reach(uri + 5, true);
    }
    if (channel < 0 && listener < 0) {
        return "Failed to listen";
    }
    return model_migration_expect(&qemu->migration, fd_steal(&channel),
                                  fd_steal(&listener));
}

static const char *
act_continue(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    return model_migration_continue(&qemu->migration,
                                    text_of(arguments, "state"));
}

static const char *
act_cancel(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    model_migration_cancel(&qemu->migration, qemu->from == MODEL_HAND);
    return NULL;
}

static const char *
act_device_add(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    const char *id = text_of(arguments, "id");
    if (model_migration_is_under_way(&qemu->migration)) {
        return "device_add not allowed while migrating";
    }
    model_machine_add_device(&qemu->machine, id,
                             text_of(arguments, "driver"));
    if (g_str_equal(text_of(arguments, "driver"), "pc-dimm")) {
        g_autofree char *name = g_strconcat("mem-", id, NULL);
        if (!model_machine_add_ram(&qemu->machine, name, DIMM_BYTES)) {
            return "no room for it";
        }
        if (is_state(qemu, "running") || is_state(qemu, "paused")) {
            model_machine_boot(&qemu->machine);
        }
    }
    return NULL;
}

static const char *
act_device_del(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    return model_machine_remove_device(&qemu->machine,
                                       text_of(arguments, "id"))
               ? NULL
               : "Device not found";
}

static const char *
act_nothing(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    return NULL;
}

static const char *
act_hold(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    bool after = g_str_equal(text_of(arguments, "when"), "after");
    gint64 skip =
        json_object_get_int_member_with_default(arguments, "skip", 0);
    model_monitors_hold(qemu->monitors, text_of(arguments, "text"),
                        after ? MODEL_AFTER : MODEL_BEFORE, (unsigned)skip);
    return NULL;
}

static const char *
act_hold_status(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    qemu->migration.hold = g_intern_string(text_of(arguments, "status"));
    return NULL;
}

static const char *
act_then(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    qemu->migration.then_status = g_strdup(text_of(arguments, "status"));
    qemu->migration.then_command = g_strdup(text_of(arguments, "command"));
    return NULL;
}

static const char *
act_go(ModelQemu *qemu, JsonObject *arguments, int *fd)
{
    qemu->migration.held = false;
    model_monitors_go(qemu->monitors);
    return NULL;
}

static const struct {
    const char *name;
    Act act;
} commands[] = {
    {"cont", act_cont},
    {"stop", act_stop},
    {"quit", act_quit},
    {"migrate", act_migrate},
    {"migrate-incoming", act_incoming},
    {"migrate-continue", act_continue},
    {"migrate_cancel", act_cancel},
    {"migrate-set-capabilities", act_set_capabilities},
    {"migrate-set-parameters", act_nothing},
    {"getfd", act_getfd},
    {"closefd", act_closefd},
    {"device_add", act_device_add},
    {"device_del", act_device_del},
    {"x-model-hold", act_hold},
    {"x-model-hold-status", act_hold_status},
    {"x-model-then", act_then},
    {"x-model-go", act_go},
    {"x-model-panic", act_panic},
    {"x-model-poweroff", act_poweroff},
};

ModelReply
model_command_run(ModelQemu *qemu, unsigned from, const char *command,
                  JsonObject *arguments, int *fd)
{
    unsigned before = qemu->from;
    ModelReply reply = {0};
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i].name, command)) {
            qemu->from = from;
            const char *why = commands[i].act(qemu, arguments, fd);
            qemu->from = before;
            reply.error = g_strdup(why);
            reply.value = why ? NULL : g_strdup("{}");
            return reply;
        }
    }
    return model_query_run(qemu, command, arguments, fd);
}

void
model_command_then(ModelQemu *qemu)
{
    ModelMigration *migration = &qemu->migration;
    const char *status = g_str_equal(migration->status, "none")
                             ? migration->incoming
                             : migration->status;
    if (g_strcmp0(migration->then_status, status) == 0) {
        g_autofree char *command = g_steal_pointer(&migration->then_command);
        g_clear_pointer(&migration->then_status, g_free);
        int none = -1;
        ModelReply reply =
            model_command_run(qemu, MODEL_HAND, command, NULL, &none);
        g_free(reply.value);
        g_free(reply.error);
    }
}
