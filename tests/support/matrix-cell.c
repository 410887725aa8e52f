/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Playing one cell: see matrix-cell.h. A stage is a moment at which somebody is
 * held up: a model of QEMU before or after a command, at a status of its
 * migration, or the sender by SIGSTOP.
 */
#include "tests/support/matrix-cell.h"

#include <signal.h>
#include <string.h>

#include "tests/support/matrix-driver.h"

#define REACH_MS 20000
#define ASK_US 50000
#define MODEL_AT "MODEL_AT"

const char *const matrix_kind_names[MATRIX_KINDS] = {"own", "follow",
                                                     "resume"};
const char *const matrix_stage_names[MATRIX_STAGES] = {
    "inspect-source", "inspect-destination", "connect", "agree", "prepare",
    "wait", "start", "active", "stopped", "device", "completed", "run",
    "postcopy", "settle"};
const char *const matrix_change_names[MATRIX_CHANGES] = {
    "nothing",
    "stop",
    "cont",
    "cont-on-the-source",
    "cont-and-stop-on-the-source",
    "panic",
    "poweroff",
    "ram",
    "device",
    "capability-source",
    "capability-destination",
    "native",
    "native-active",
    "send",
    "receive",
    "source-qemu-gone",
    "destination-qemu-gone",
    "sender-gone",
    "receiver-gone"};

/* Where a model of QEMU is held up. */
static const struct {
    int side; /* -1: nowhere */
    const char *text, *when, *status;
} holds[MATRIX_STAGES] = {
    [MATRIX_INSPECT_A] = {MODEL_A, "query-name", "before", NULL},
    [MATRIX_INSPECT_B] = {MODEL_B, "query-name", "before", NULL},
    [MATRIX_CONNECT] = {-1, NULL, NULL, NULL},
    [MATRIX_AGREE] = {-1, NULL, NULL, NULL},
    [MATRIX_PREPARE] = {MODEL_B, "add-fd", "before", NULL},
    [MATRIX_WAIT] = {-1, NULL, NULL, NULL},
    [MATRIX_START] = {MODEL_A, "\\\"migrate\\\"", "before", NULL},
    [MATRIX_ACTIVE] = {MODEL_A, NULL, NULL, "active"},
    [MATRIX_STOPPED] = {MODEL_A, "migrate-continue", "before", NULL},
    [MATRIX_DEVICE] = {MODEL_A, NULL, NULL, "device"},
    [MATRIX_COMPLETED] = {MODEL_A, NULL, NULL, "loaded"},
    [MATRIX_RUN] = {MODEL_B, "\\\"cont\\\"", "before", NULL},
    [MATRIX_POSTCOPY] = {MODEL_B, "\\\"cont\\\"", "after", NULL},
    [MATRIX_SETTLE] = {-1, NULL, NULL, NULL},
};

static void
arm(const MatrixCell *cell, ModelScene *scene)
{
    g_autofree char *arguments = NULL;
    if (holds[cell->stage].side < 0) {
        return;
    }
    unsigned side = (unsigned)holds[cell->stage].side;
    if (holds[cell->stage].status) {
        arguments = g_strdup_printf("{\"status\": \"%s\"}",
                                    holds[cell->stage].status);
        model_scene_say(scene, side, "x-model-hold-status", arguments);
    } else {
        arguments = g_strdup_printf("{\"text\": \"%s\", \"when\": \"%s\"}",
                                    holds[cell->stage].text,
                                    holds[cell->stage].when);
        model_scene_say(scene, side, "x-model-hold", arguments);
    }
}

static void
start_send(const MatrixCell *cell, ModelScene *scene)
{
    const char *wait[] = {"--wait", NULL};
    const char *follow[] = {"--follow", NULL};
    model_scene_send(scene, cell->kind == MATRIX_FOLLOW ? follow
                            : cell->stage == MATRIX_WAIT ? wait
                                                         : NULL);
}

static void
start_receive(const MatrixCell *cell, ModelScene *scene)
{
    const char *follow[] = {"--follow", NULL};
    model_scene_receive(scene,
                        cell->kind == MATRIX_FOLLOW ? follow : NULL);
}

static bool
hear(VmTool *tool, const char *text)
{
    return tool && vm_tool_wait_stderr(tool, text, REACH_MS, NULL);
}

static bool
is_held(const MatrixCell *cell, ModelScene *scene)
{
    return model_scene_wait_event(scene, (unsigned)holds[cell->stage].side,
                                  MODEL_AT, NULL, REACH_MS);
}

static bool
reach_completed(const MatrixCell *cell, ModelScene *scene)
{
    if (!is_held(cell, scene)) {
        return false;
    }
    vm_child_kill(vm_tool_child(scene->send), SIGSTOP);
    model_scene_say(scene, MODEL_A, "x-model-go", NULL);
    return model_scene_wait_migration(scene, MODEL_A, "completed", REACH_MS) &&
           model_scene_wait_migration(scene, MODEL_B, "completed", REACH_MS);
}

static bool
reach_wait(const MatrixCell *cell, ModelScene *scene)
{
    return hear(scene->send, cell->kind == MATRIX_FOLLOW
                                 ? "QEMU's migration can be started"
                                 : "send SIGUSR1");
}

/* Both tools run from connect on. */
static bool
reach(const MatrixCell *cell, ModelScene *scene)
{
    start_send(cell, scene);
    if (cell->stage == MATRIX_INSPECT_A) {
        return is_held(cell, scene);
    }
    if (!hear(scene->send, "listening on")) {
        return false;
    }
    if (cell->stage == MATRIX_CONNECT) {
        return true;
    }
    start_receive(cell, scene);
    switch (cell->stage) {
    case MATRIX_AGREE:
        if (!hear(scene->send, "stage agree")) {
            return false;
        }
        vm_child_kill(vm_tool_child(scene->send), SIGSTOP);
        return true;
    case MATRIX_WAIT:
        return reach_wait(cell, scene);
    default:
        break;
    }
    if (cell->kind == MATRIX_FOLLOW && cell->stage > MATRIX_WAIT) {
        return reach_wait(cell, scene) &&
               matrix_driver_reach(cell, scene, REACH_MS);
    }
    if (cell->stage == MATRIX_SETTLE) {
        return hear(scene->receive, "stage settle");
    }
    return cell->stage == MATRIX_COMPLETED ? reach_completed(cell, scene)
                                           : is_held(cell, scene);
}

static void
release(const MatrixCell *cell, ModelScene *scene)
{
    if (scene->send) {
        vm_child_kill(vm_tool_child(scene->send), SIGCONT);
    }
    if (cell->stage == MATRIX_WAIT && cell->kind != MATRIX_FOLLOW) {
        vm_child_kill(vm_tool_child(scene->send), SIGUSR1);
    }
    if (holds[cell->stage].side >= 0) {
        model_scene_say(scene, (unsigned)holds[cell->stage].side,
                        "x-model-go", NULL);
    }
    if (!scene->receive && hear(scene->send, "listening on")) {
        start_receive(cell, scene);
    }
    if (cell->kind == MATRIX_FOLLOW) {
        matrix_driver_finish(cell, scene, REACH_MS);
    }
}

/* Who is killed where a successor is to take over. */
static void
kill_helpers(const MatrixCell *cell, ModelScene *scene)
{
    matrix_driver_kill(scene->send);
    if (cell->stage >= MATRIX_RUN) {
        matrix_driver_kill(scene->receive);
    }
}

static void
begin_paused(const MatrixCell *cell, ModelScene *scene)
{
    if (cell->change == MATRIX_CONT && cell->stage <= MATRIX_ACTIVE) {
        model_scene_say(scene, MODEL_A, "stop", NULL);
    }
}

/* QEMU calls every guest that it stopped for a migration the same, so what was
 * done to it meanwhile can be told only by who has asked in time. */
static void
hear_change(const MatrixCell *cell, ModelScene *scene)
{
    const char *event = cell->change == MATRIX_STOP   ? "QEMU: STOP"
                        : cell->change == MATRIX_CONT ? "QEMU: RESUME"
                                                      : NULL;
    if (event && hear(scene->send, event)) {
        g_usleep(ASK_US);
    }
}

void
matrix_cell_play(MatrixCell *cell, ModelScene *scene)
{
    begin_paused(cell, scene);
    arm(cell, scene);
    if (!reach(cell, scene)) {
        g_autofree char *send = scene->send ? vm_tool_stderr(scene->send)
                                            : NULL;
        model_scene_complain(scene, "the stage was not reached: %s", send);
        return;
    }
    if (cell->kind == MATRIX_RESUME) {
        kill_helpers(cell, scene);
    }
    matrix_change_do(cell, scene);
    if (cell->kind == MATRIX_OWN && cell->stage == MATRIX_ACTIVE &&
        cell->change <= MATRIX_CONT) {
        hear_change(cell, scene);
    }
    release(cell, scene);
    matrix_driver_end(cell, scene);
}
