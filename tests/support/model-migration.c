/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of QEMU's migration: see model-migration.h.
 */
#include "tests/support/model-migration.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define STREAM_MS 20000
#define LOADED 'L'

const char *const model_capability_names[MODEL_CAPABILITIES] = {
    "events", "return-path", "pause-before-switchover", "x-ignore-shared",
    "postcopy-ram", "postcopy-preempt", "zero-copy-send", "multifd",
    "mapped-ram", "background-snapshot", "x-colo", "rdma-pin-all", "compress",
};

void
model_migration_init(ModelMigration *migration, ModelMachine *machine,
                     ModelMonitors *monitors, unsigned version)
{
    *migration = (ModelMigration){.machine = machine, .monitors = monitors,
                                  .version = version, .status = "none",
                                  .incoming = "none", .stream = -1,
                                  .listener = -1};
}

bool
model_migration_is_on(const ModelMigration *migration, const char *name)
{
    for (unsigned i = 0; i < MODEL_CAPABILITIES; i++) {
        if (g_str_equal(model_capability_names[i], name)) {
            return migration->capabilities[i];
        }
    }
    return false;
}

static bool
is(const ModelMigration *migration, const char *status)
{
    return g_str_equal(migration->status, status);
}

bool
model_migration_is_under_way(const ModelMigration *migration)
{
    return is(migration, "setup") || is(migration, "active") ||
           is(migration, "pre-switchover") || is(migration, "device") ||
           is(migration, "sent") || is(migration, "loaded") ||
           is(migration, "cancelling");
}

static void
tell(ModelMigration *migration, const char *status)
{
    if (model_migration_is_on(migration, "events")) {
        g_autofree char *data = g_strdup_printf("{\"status\": \"%s\"}", status);
        model_monitors_event(migration->monitors, "MIGRATION", data);
    }
}

static void
wait_if_wanted(ModelMigration *migration)
{
    if (g_strcmp0(migration->hold, migration->status) == 0) {
        migration->hold = NULL;
        migration->held = true;
        model_monitors_tell_hand(migration->monitors, migration->status);
    }
}

static void
enter(ModelMigration *migration, const char *status)
{
    migration->status = status;
    tell(migration, status);
    wait_if_wanted(migration);
}

static void
give_guest_back(ModelMigration *migration)
{
    if (!g_str_equal(migration->machine->state, "finish-migrate")) {
        return;
    }
    if (migration->ran) {
        model_monitors_event(migration->monitors, "RESUME", NULL);
        model_machine_run(migration->machine);
    } else {
        migration->machine->state =
            migration->version == 7 ? "postmigrate" : migration->before;
    }
}

static void
fail(ModelMigration *migration)
{
    fd_clear(&migration->stream);
    enter(migration, "failed");
    give_guest_back(migration);
}

const char *
model_migration_begin(ModelMigration *migration, int channel, bool of_hand)
{
    autofd taken = channel;
    const char *state = migration->machine->state;
    if (g_str_equal(state, "inmigrate")) {
        return "Guest is waiting for an incoming migration";
    }
    if (model_migration_is_under_way(migration)) {
        return "There's a migration process in progress";
    }
    if (g_str_equal(state, "postmigrate")) {
        return "Can't migrate the vm that was paused due to previous "
               "migration";
    }
    migration->may_go = false;
    migration->of_hand = of_hand;
    migration->mapped = model_migration_is_on(migration, "x-ignore-shared");
    migration->carried_pages = 0;
    fd_clear(&migration->stream);
    migration->stream = fd_steal(&taken);
    enter(migration, "setup");
    return NULL;
}

const char *
model_migration_continue(ModelMigration *migration, const char *state)
{
    if (!is(migration, state)) {
        return "Migration not in expected state: pre-switchover";
    }
    migration->may_go = true;
    return NULL;
}

void
model_migration_cancel(ModelMigration *migration, bool of_hand)
{
    if (!model_migration_is_under_way(migration)) {
        return;
    }
    if (migration->of_hand && !of_hand) {
        migration->machine->board->strangers++;
    }
    migration->held = false;
    enter(migration, "cancelling");
}

static bool
is_broken(int stream)
{
    struct pollfd p = {.fd = stream, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

static bool
say(ModelMigration *migration, const char *text)
{
    return fd_write_all(migration->stream, text, strlen(text),
                        fd_deadline_ns(STREAM_MS), NULL);
}

static void
stop_guest(ModelMigration *migration)
{
    ModelMachine *machine = migration->machine;
    migration->before = machine->state;
    migration->ran = machine->runs;
    model_machine_halt(machine, "finish-migrate");
    if (migration->ran) {
        model_monitors_event(migration->monitors, "STOP", NULL);
    }
    if (model_migration_is_on(migration, "pause-before-switchover")) {
        enter(migration, "pre-switchover");
    } else {
        migration->status = "device";
    }
}

static char *
describe(const ModelMachine *machine, const ModelMigration *migration)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                                 " %d", migration->ran ? "running"
                                                       : migration->before,
                           machine->guest_pages, machine->rounds,
                           migration->mapped);
    for (guint i = 0; i < machine->blocks->len; i++) {
        const ModelBlock *block =
            &g_array_index(machine->blocks, ModelBlock, i);
        g_string_append_printf(text, " %s:%" G_GUINT64_FORMAT, block->name,
                               block->bytes);
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, false);
}

static void
send_devices(ModelMigration *migration)
{
    ModelMachine *machine = migration->machine;
    g_autofree char *text = describe(machine, migration);
    bool ok = say(migration, text);
    for (guint i = 0; ok && !migration->mapped && i < machine->blocks->len;
         i++) {
        const ModelBlock *block =
            &g_array_index(machine->blocks, ModelBlock, i);
        ok = fd_write_all(migration->stream, block->view, block->bytes,
                          fd_deadline_ns(STREAM_MS), NULL);
        migration->carried_pages += block->bytes / MODEL_PAGE_BYTES;
    }
    if (!ok) {
        fail(migration);
    } else {
        migration->status = "sent"; /* QEMU says "device" to that, too */
    }
}

static void
hear_verdict(ModelMigration *migration)
{
    char verdict = 0;
    if (!fd_wait(migration->stream, POLLIN, fd_deadline_ns(1), NULL)) {
        return;
    }
    if (read(migration->stream, &verdict, 1) != 1 || verdict != LOADED) {
        fail(migration);
        return;
    }
    fd_clear(&migration->stream);
    migration->status = "loaded";
    wait_if_wanted(migration);
}

static bool
step_out(ModelMigration *migration)
{
    if (is(migration, "cancelling")) {
        fd_clear(&migration->stream);
        give_guest_back(migration);
        enter(migration, "cancelled");
    } else if (migration->held) {
        return false;
    } else if (is(migration, "setup")) {
        if (!say(migration, migration->mapped ? "mapped\n" : "whole\n")) {
            fail(migration);
        } else {
            enter(migration, "active");
        }
    } else if (is(migration, "active")) {
        if (is_broken(migration->stream)) {
            fail(migration);
        } else {
            stop_guest(migration);
        }
    } else if (is(migration, "pre-switchover") && migration->may_go) {
        enter(migration, "device");
    } else if (is(migration, "device")) {
        send_devices(migration);
    } else if (is(migration, "sent")) {
        hear_verdict(migration);
    } else if (is(migration, "loaded")) {
        enter(migration, "completed");
        migration->machine->state = "postmigrate";
    } else {
        return false;
    }
    return true;
}

const char *
model_migration_expect(ModelMigration *migration, int channel, int listener)
{
    autofd taken = channel, heard = listener;
    if (!g_str_equal(migration->machine->state, "inmigrate") ||
        !g_str_equal(migration->incoming, "none")) {
        return "The incoming migration has already been started";
    }
    migration->stream = fd_steal(&taken);
    migration->listener = fd_steal(&heard);
    migration->incoming = "setup";
    tell(migration, "setup");
    return NULL;
}

static char *
hear_line(int stream)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char byte = 0;
    while (read(stream, &byte, 1) == 1) {
        if (byte == '\n') {
            return g_string_free(g_steal_pointer(&line), false);
        }
        g_string_append_c(line, byte);
    }
    return NULL;
}

/* QEMU exits when its guest could not be loaded. */
static void G_GNUC_NORETURN
end_without_guest(ModelMigration *migration, const char *why)
{
    tell(migration, "failed");
    fprintf(stderr, "model: load of migration failed: %s\n", why);
    _exit(1);
}

static bool
has_same_blocks(ModelMachine *machine, char **words)
{
    for (guint i = 0; i < machine->blocks->len; i++, words++) {
        const ModelBlock *block =
            &g_array_index(machine->blocks, ModelBlock, i);
        g_autofree char *ours = g_strdup_printf(
            "%s:%" G_GUINT64_FORMAT, block->name, block->bytes);
        if (g_strcmp0(*words, ours) != 0) {
            return false;
        }
    }
    return !*words;
}

static void
take_ram(ModelMigration *migration)
{
    ModelMachine *machine = migration->machine;
    for (guint i = 0; i < machine->blocks->len; i++) {
        const ModelBlock *block =
            &g_array_index(machine->blocks, ModelBlock, i);
        if (!fd_read_all(migration->stream, block->view, block->bytes,
                         fd_deadline_ns(STREAM_MS), NULL)) {
            end_without_guest(migration, "the RAM ended");
        }
    }
}

static void
start_arrived(ModelMigration *migration, const char *state)
{
    ModelMachine *machine = migration->machine;
    if (!g_str_equal(state, "running")) {
        machine->state = g_intern_string(state);
    } else if (machine->autostart) {
        model_monitors_event(migration->monitors, "RESUME", NULL);
        model_machine_run(machine);
    } else {
        machine->state = "paused";
    }
    migration->incoming = "completed";
    tell(migration, "completed");
}

/* Devices are loaded: that touches the guest's memory. */
static void
take_devices(ModelMigration *migration, char **words)
{
    ModelMachine *machine = migration->machine;
    if (g_strv_length(words) < 4 || !has_same_blocks(machine, words + 4)) {
        end_without_guest(migration, "unknown ramblock");
    }
    machine->guest_pages = g_ascii_strtoull(words[1], NULL, 10);
    machine->rounds = g_ascii_strtoull(words[2], NULL, 10);
    if (words[3][0] == '0') {
        take_ram(migration);
    }
    model_machine_touch(machine);
    const char loaded = LOADED;
    ssize_t ignored = write(migration->stream, &loaded, 1);
    (void)ignored;
    fd_clear(&migration->stream);
    start_arrived(migration, words[0]);
}

static void
step_in(ModelMigration *migration)
{
    if (migration->listener >= 0) {
        migration->stream =
            accept4(migration->listener, NULL, NULL, SOCK_CLOEXEC);
        fd_clear(&migration->listener);
        return;
    }
    g_autofree char *line = hear_line(migration->stream);
    if (!line) {
        end_without_guest(migration, "the stream ended");
    }
    if (g_str_equal(migration->incoming, "setup")) {
        bool mapped = g_str_equal(line, "mapped");
        if (mapped != model_migration_is_on(migration, "x-ignore-shared")) {
            end_without_guest(migration, "capability x-ignore-shared differs");
        }
        migration->incoming = "active";
        tell(migration, "active");
        return;
    }
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    take_devices(migration, words);
}

int
model_migration_fd(const ModelMigration *migration)
{
    if (g_str_equal(migration->incoming, "setup") ||
        g_str_equal(migration->incoming, "active")) {
        return migration->listener >= 0 ? migration->listener
                                        : migration->stream;
    }
    return is(migration, "sent") ? migration->stream : -1;
}

bool
model_migration_step(ModelMigration *migration)
{
    struct pollfd p = {.fd = model_migration_fd(migration),
                       .events = POLLIN};
    if (!is(migration, "none")) {
        return step_out(migration);
    }
    if (p.fd >= 0 && poll(&p, 1, 0) > 0) {
        step_in(migration);
        return true;
    }
    return false;
}
