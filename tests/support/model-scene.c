/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A move without QEMU: see model-scene.h.
 */
#include "tests/support/model-scene.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-message.h"

#define HAND_MS 3000
#define START_MS 10000
#define ENDING_MS 5000

void
model_scene_complain(ModelScene *scene, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(scene->trouble, format, args);
    g_string_append_c(scene->trouble, '\n');
    va_end(args);
}

static bool
make_board(ModelScene *scene)
{
    g_autofree char *path =
        g_build_filename(scene->directory, "board", NULL);
    autofd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(ModelBoard)) < 0) {
        return false;
    }
    void *board = mmap(NULL, sizeof(ModelBoard), PROT_READ | PROT_WRITE,
                       MAP_SHARED, fd, 0);
    scene->board = board == MAP_FAILED ? NULL : board;
    return scene->board != NULL;
}

static bool
start_qemu(ModelScene *scene, unsigned side)
{
    static const char *const names[] = {"a", "b", "c"};
    g_autoptr(GError) error = NULL;
    ModelSide *s = &scene->sides[side];
    s->path = g_build_filename(scene->directory, names[side], NULL);
    g_autofree char *board =
        g_build_filename(scene->directory, "board", NULL);
    g_autofree char *slot = g_strdup_printf("%u", side);
    g_autofree char *number = g_strdup_printf("%u", scene->version);
    g_autofree char *err = g_strconcat(s->path, ".err", NULL);
    const char *argv[] = {MODEL_QEMU_PATH, s->path, board, slot, number,
                          side == MODEL_A ? NULL : "incoming", NULL};
    VmChildOptions options = {.argv = argv, .stderr_path = err};
    s->child = vm_child_start(&options, &error);
    g_autofree char *hand = g_strconcat(s->path, ".hand", NULL);
    uint64_t deadline = fd_deadline_ns(START_MS);
    while (s->child && !s->hand && fd_now_ns() < deadline) {
        g_usleep(1000);
        g_clear_error(&error);
        s->hand = qmp_client_open(hand, HAND_MS, &error);
    }
    if (!s->hand) {
        model_scene_complain(scene, "QEMU %s does not start: %s", names[side],
                             error ? error->message : "");
    } else {
        qmp_client_set_timeout(s->hand, HAND_MS);
    }
    return s->hand != NULL;
}

bool
model_scene_init(ModelScene *scene, unsigned version)
{
    g_autoptr(GError) error = NULL;
    *scene = (ModelScene){.trouble = g_string_new(NULL)};
    scene->directory = vm_child_make_directory("postlude-scene", &error);
    if (!scene->directory || !make_board(scene)) {
        model_scene_complain(scene, "no room for a scene");
        return false;
    }
    scene->link = g_strdup_printf("unix:%s/link", scene->directory);
    scene->link2 = g_strdup_printf("unix:%s/link2", scene->directory);
    scene->version = version;
    return start_qemu(scene, MODEL_A) && start_qemu(scene, MODEL_B);
}

bool
model_scene_add_c(ModelScene *scene)
{
    return start_qemu(scene, MODEL_C);
}

void
model_scene_clear(ModelScene *scene)
{
    g_clear_pointer(&scene->send, vm_tool_free);
    g_clear_pointer(&scene->receive, vm_tool_free);
    g_clear_pointer(&scene->send2, vm_tool_free);
    g_clear_pointer(&scene->receive2, vm_tool_free);
    for (unsigned side = 0; side < MODEL_QEMUS; side++) {
        g_clear_pointer(&scene->sides[side].hand, qmp_client_close);
        g_clear_pointer(&scene->sides[side].child, vm_child_free);
        g_free(scene->sides[side].path);
    }
    vm_child_kill_orphans(NULL);
    if (scene->directory) {
        vm_child_remove_directory(scene->directory);
    }
    g_free(scene->directory);
    g_free(scene->link);
    g_free(scene->link2);
    g_string_free(scene->trouble, true);
}

static VmTool *
start_tool(ModelScene *scene, const char *verb, const char *const *head,
           const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    for (; *head; head++) {
        g_ptr_array_add(args, (char *)*head);
    }
    for (; extra && *extra; extra++) {
        g_ptr_array_add(args, (char *)*extra);
    }
    g_ptr_array_add(args, NULL);
    VmTool *tool = vm_tool_start(verb, (const char *const *)args->pdata, false,
                                 &error);
    if (!tool) {
        model_scene_complain(scene, "%s: %s", verb, error->message);
    }
    return tool;
}

void
model_scene_send(ModelScene *scene, const char *const *extra)
{
    const char *head[] = {"--qmp", scene->sides[MODEL_A].path, "--listen",
                          scene->link, "--peer-timeout", "4",
                          "--link-timeout", "2", "--no-confine", NULL};
    g_clear_pointer(&scene->send, vm_tool_free);
    scene->send = start_tool(scene, "send", head, extra);
}

void
model_scene_receive(ModelScene *scene, const char *const *extra)
{
    const char *head[] = {"--qmp", scene->sides[MODEL_B].path, "--connect",
                          scene->link, "--peer-timeout", "4",
                          "--link-timeout", "2", "--no-confine", NULL};
    g_clear_pointer(&scene->receive, vm_tool_free);
    scene->receive = start_tool(scene, "receive", head, extra);
}

JsonNode *
model_scene_ask(ModelScene *scene, unsigned side, const char *command,
                const char *arguments, char **refused)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = arguments ? json_from_string(arguments, NULL) : NULL;
    if (!scene->sides[side].hand) {
        g_clear_pointer(&node, json_node_unref);
        return NULL;
    }
    JsonNode *reply = qmp_client_execute(scene->sides[side].hand, command,
                                         node, &error);
    if (!reply && refused) {
        *refused = g_strdup(error->message);
    }
    return reply;
}

bool
model_scene_say(ModelScene *scene, unsigned side, const char *command,
                const char *arguments)
{
    g_autoptr(JsonNode) reply =
        model_scene_ask(scene, side, command, arguments, NULL);
    return reply != NULL;
}

/* Its descriptors are closed a moment before it counts as dead. */
static void
wait_if_ending(ModelScene *scene, unsigned side)
{
    QmpClient *hand = scene->sides[side].hand;
    uint64_t deadline = fd_deadline_ns(ENDING_MS);
    while (hand && !qmp_client_pump(hand, NULL) &&
           !model_scene_is_gone(scene, side) && fd_now_ns() < deadline) {
        g_usleep(1000);
    }
}

static char *
ask_word(ModelScene *scene, unsigned side, const char *command)
{
    g_autoptr(JsonNode) reply =
        model_scene_ask(scene, side, command, NULL, NULL);
    if (!reply) {
        wait_if_ending(scene, side);
        return g_strdup(!scene->sides[side].child         ? "absent"
                        : model_scene_is_gone(scene, side) ? "gone"
                                                           : "silent");
    }
    const char *word = qmp_message_string(reply, "status");
    return g_strdup(word ? word : "none");
}

char *
model_scene_state(ModelScene *scene, unsigned side)
{
    return ask_word(scene, side, "query-status");
}

char *
model_scene_migration(ModelScene *scene, unsigned side)
{
    return ask_word(scene, side, "query-migrate");
}

bool
model_scene_wait_event(ModelScene *scene, unsigned side, const char *name,
                       const char *status, int timeout_ms)
{
    QmpClient *hand = scene->sides[side].hand;
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    while (hand && qmp_client_pump(hand, NULL)) {
        g_autoptr(QmpEvent) event = qmp_client_pop_event(hand);
        if (event && g_str_equal(event->name, name) &&
            (!status || g_strcmp0(event->status, status) == 0)) {
            return true;
        }
        if (!event && !fd_wait(qmp_client_fd(hand), POLLIN, deadline, NULL)) {
            return false;
        }
    }
    return false;
}

bool
model_scene_wait_migration(ModelScene *scene, unsigned side,
                           const char *status, int timeout_ms)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        g_autofree char *now = model_scene_migration(scene, side);
        if (g_str_equal(now, status)) {
            return true;
        }
        if (fd_now_ns() > deadline) {
            return false;
        }
        g_usleep(1000);
    }
}

void
model_scene_end_qemu(ModelScene *scene, unsigned side)
{
    ModelSide *s = &scene->sides[side];
    g_clear_pointer(&s->hand, qmp_client_close);
    vm_child_kill(s->child, SIGKILL);
    vm_child_wait(s->child, START_MS, NULL);
    scene->board->runs[side] = 0;
}

bool
model_scene_is_gone(const ModelScene *scene, unsigned side)
{
    return !scene->sides[side].child ||
           vm_child_has_ended(scene->sides[side].child, NULL);
}
